//! The value of one member of a JSON object, read from the object's first bytes as they come.
//!
//! Written by hand, since a parser of whole documents cannot say of a beginning what it holds: what follows the member
//! is neither awaited nor looked at. Every byte is looked at once, nesting is counted and not recursed into, and nothing
//! is kept but the value.

mod number;
mod string;
#[cfg(test)]
mod tests;

use number::Number;
use string::{Malformed, StringStep, StringText};

/// The bytes of a body in which the member must stand whole; what comes later is not looked at.
pub const PREFIX_BYTES_MAX: usize = 8 * 1024;
/// How deep objects and arrays may nest, the outermost object included.
pub const DEPTH_MAX: u32 = u64::BITS;

/// What is known of the member after so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonScan {
    /// It may yet come.
    NeedMore,
    /// Its value is whole.
    Found,
    /// The object has no such member, or not within the bounds, or its value is an object or an array; or the bytes are
    /// no JSON object.
    NotThere,
}

/// The search for one member. Of several with its name the first counts.
#[derive(Clone, Debug)]
pub struct JsonKey<'a> {
    name: &'a [u8],
    /// How many more bytes are looked at.
    left: usize,
    state: State,
    nesting: Nesting,
    /// The value that is read, or comes next, is the member's.
    wanted: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before the outermost object.
    Start,
    /// Behind an opening brace.
    NameOrEnd,
    /// Behind a comma of an object.
    NextName,
    /// Within a name; how much of it is the wanted one's beginning, if all of it is.
    Name {
        text: StringText,
        matched: Option<usize>,
    },
    Colon,
    Value,
    /// Behind an opening bracket.
    ValueOrEnd,
    String(StringText),
    Number(Number),
    /// Within `true`, `false` or `null`, of which this is still to come.
    Literal(&'static [u8]),
    AfterValue,
}

/// Why a scan is over.
#[derive(Clone, Copy, Debug)]
enum Decided {
    Found,
    NotThere,
}

impl From<Malformed> for Decided {
    fn from(_: Malformed) -> Self {
        Decided::NotThere
    }
}

impl<'a> JsonKey<'a> {
    /// The search for the member `name`, with no byte seen yet. Names are compared byte by byte, escapes decoded.
    pub fn new(name: &'a [u8]) -> Self {
        JsonKey {
            name,
            left: PREFIX_BYTES_MAX,
            state: State::Start,
            nesting: Nesting::default(),
            wanted: false,
        }
    }

    /// Looks at the next bytes. The member's value is appended to `value` as it comes: of a string the content with
    /// escapes decoded, of a number, `true`, `false` and `null` what is written. It counts once this says `Found`; what
    /// any answer but `NeedMore` says is final.
    pub fn push(&mut self, bytes: &[u8], value: &mut Vec<u8>) -> JsonScan {
        let mut rest = &bytes[..bytes.len().min(self.left)];
        self.left -= rest.len();
        while !rest.is_empty() {
            match self.step(rest, value) {
                Ok(used) => rest = &rest[used..],
                Err(Decided::Found) => return JsonScan::Found,
                Err(Decided::NotThere) => return JsonScan::NotThere,
            }
        }
        if self.left == 0 { JsonScan::NotThere } else { JsonScan::NeedMore }
    }

    /// Takes the next token, or what there is of it; returns how many bytes that were. Where these are none, the state
    /// is another one, which takes some.
    fn step(&mut self, bytes: &[u8], value: &mut Vec<u8>) -> Result<usize, Decided> {
        match self.state {
            State::Name { text, matched } => self.name(bytes, text, matched),
            State::String(text) => self.string(bytes, text, value),
            State::Number(number) => self.number(bytes, number, value),
            State::Literal(rest) => self.literal(bytes[0], rest, value),
            _ if is_space(bytes[0]) => Ok(1),
            state => self.structure(state, bytes[0], value).map(|()| 1),
        }
    }

    fn structure(&mut self, state: State, byte: u8, value: &mut Vec<u8>) -> Result<(), Decided> {
        self.state = match (state, byte) {
            (State::Start, b'{') => self.open(byte)?,
            (State::NameOrEnd | State::NextName, b'"') => {
                State::Name { text: StringText::default(), matched: (self.nesting.depth == 1).then_some(0) }
            }
            (State::NameOrEnd, b'}') | (State::ValueOrEnd, b']') => self.close(byte)?,
            (State::AfterValue, b'}' | b']') => self.close(byte)?,
            (State::AfterValue, b',') if self.nesting.is_in_object() => State::NextName,
            (State::AfterValue, b',') => State::Value,
            (State::Colon, b':') => State::Value,
            (State::Value | State::ValueOrEnd, _) => self.begin_value(byte, value)?,
            _ => return Err(Decided::NotThere),
        };
        Ok(())
    }

    fn begin_value(&mut self, byte: u8, value: &mut Vec<u8>) -> Result<State, Decided> {
        let state = match byte {
            b'{' | b'[' if self.wanted => return Err(Decided::NotThere),
            b'{' | b'[' => return self.open(byte),
            b'"' => return Ok(State::String(StringText::default())),
            b't' => State::Literal(b"rue"),
            b'f' => State::Literal(b"alse"),
            b'n' => State::Literal(b"ull"),
            _ => State::Number(Number::begin(byte).ok_or(Decided::NotThere)?),
        };
        if self.wanted {
            value.push(byte);
        }
        Ok(state)
    }

    fn open(&mut self, byte: u8) -> Result<State, Decided> {
        let is_object = byte == b'{';
        self.nesting.open(is_object).ok_or(Decided::NotThere)?;
        Ok(if is_object { State::NameOrEnd } else { State::ValueOrEnd })
    }

    fn close(&mut self, byte: u8) -> Result<State, Decided> {
        if self.nesting.is_in_object() != (byte == b'}') {
            return Err(Decided::NotThere);
        }
        self.nesting.close();
        if self.nesting.depth == 0 { Err(Decided::NotThere) } else { Ok(State::AfterValue) }
    }

    fn name(
        &mut self,
        bytes: &[u8],
        mut text: StringText,
        mut matched: Option<usize>,
    ) -> Result<usize, Decided> {
        let name = self.name;
        let step = text.push(bytes, |piece| {
            matched =
                matched.filter(|&start| name[start..].starts_with(piece)).map(|start| start + piece.len());
        })?;
        let (state, used) = match step {
            StringStep::NeedMore => (State::Name { text, matched }, bytes.len()),
            StringStep::End { used } => {
                self.wanted = matched == Some(name.len());
                (State::Colon, used)
            }
        };
        self.state = state;
        Ok(used)
    }

    fn string(&mut self, bytes: &[u8], mut text: StringText, value: &mut Vec<u8>) -> Result<usize, Decided> {
        let wanted = self.wanted;
        let step = text.push(bytes, |piece| {
            if wanted {
                value.extend_from_slice(piece);
            }
        })?;
        match step {
            StringStep::NeedMore => {
                self.state = State::String(text);
                Ok(bytes.len())
            }
            StringStep::End { used } => self.end_value().map(|()| used),
        }
    }

    fn number(&mut self, bytes: &[u8], mut number: Number, value: &mut Vec<u8>) -> Result<usize, Decided> {
        let mut used = 0;
        while let Some(longer) = bytes.get(used).and_then(|&byte| number.then(byte)) {
            number = longer;
            used += 1;
        }
        if self.wanted {
            value.extend_from_slice(&bytes[..used]);
        }
        let Some(&next) = bytes.get(used) else {
            self.state = State::Number(number);
            return Ok(used);
        };
        if !number.is_complete() || !(is_space(next) || matches!(next, b',' | b'}' | b']')) {
            return Err(Decided::NotThere);
        }
        self.end_value().map(|()| used)
    }

    fn literal(&mut self, byte: u8, rest: &'static [u8], value: &mut Vec<u8>) -> Result<usize, Decided> {
        let rest = rest.strip_prefix(&[byte]).ok_or(Decided::NotThere)?;
        if self.wanted {
            value.push(byte);
        }
        if rest.is_empty() {
            self.end_value()?;
        } else {
            self.state = State::Literal(rest);
        }
        Ok(1)
    }

    fn end_value(&mut self) -> Result<(), Decided> {
        self.state = State::AfterValue;
        if self.wanted { Err(Decided::Found) } else { Ok(()) }
    }
}

/// The objects and arrays that are open: a bit for each, set for an object, the innermost one lowest.
#[derive(Clone, Copy, Debug, Default)]
struct Nesting {
    objects: u64,
    depth: u32,
}

impl Nesting {
    /// `None` beyond [`DEPTH_MAX`].
    fn open(&mut self, is_object: bool) -> Option<()> {
        if self.depth == DEPTH_MAX {
            return None;
        }
        self.objects = self.objects << 1 | u64::from(is_object);
        self.depth += 1;
        Some(())
    }

    fn close(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }

    fn is_in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// The white space of RFC 8259 2.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
