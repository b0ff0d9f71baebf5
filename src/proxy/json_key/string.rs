//! The text of a JSON string (RFC 8259 7), as it comes.

/// How far a string has come, from behind its opening quote.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StringText {
    state: State,
    /// The first half of a surrogate pair, whose second half must follow at once.
    high: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Plain,
    /// Behind a backslash.
    Escape,
    /// Behind `\u` and so many digits.
    Hex { digits: u8, code: u16 },
}

/// What came of a piece of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StringStep {
    /// All of the piece belongs to the string, which goes on.
    NeedMore,
    /// The string ends with the closing quote, the last of `used` bytes.
    End { used: usize },
}

/// The bytes are no string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl StringText {
    /// Takes what belongs to the string from the front of `bytes` and gives its text, escapes decoded, to `text` in
    /// pieces. Bytes above ASCII are passed on as they are: whether they are UTF-8 is not looked at.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        mut text: impl FnMut(&[u8]),
    ) -> Result<StringStep, Malformed> {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Plain => {
                    let plain = plain_length(&bytes[at..]);
                    if plain > 0 {
                        self.no_half()?;
                        text(&bytes[at..at + plain]);
                        at += plain;
                        continue;
                    }
                    match bytes[at] {
                        b'"' => {
                            self.no_half()?;
                            return Ok(StringStep::End { used: at + 1 });
                        }
                        b'\\' => self.state = State::Escape,
                        _ => return Err(Malformed),
                    }
                }
                State::Escape => self.escape(bytes[at], &mut text)?,
                State::Hex { digits, code } => self.hex_digit(bytes[at], digits, code, &mut text)?,
            }
            at += 1;
        }
        Ok(StringStep::NeedMore)
    }

    fn escape(&mut self, byte: u8, text: &mut impl FnMut(&[u8])) -> Result<(), Malformed> {
        if byte == b'u' {
            self.state = State::Hex { digits: 0, code: 0 };
            return Ok(());
        }
        self.no_half()?;
        let decoded = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return Err(Malformed),
        };
        text(&[decoded]);
        self.state = State::Plain;
        Ok(())
    }

    fn hex_digit(
        &mut self,
        byte: u8,
        digits: u8,
        code: u16,
        text: &mut impl FnMut(&[u8]),
    ) -> Result<(), Malformed> {
        let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
        let code = code << 4 | digit as u16;
        if digits < 3 {
            self.state = State::Hex { digits: digits + 1, code };
            return Ok(());
        }
        self.state = State::Plain;
        self.code_unit(code, text)
    }

    /// A unit of UTF-16: a character, or a half of one.
    fn code_unit(&mut self, code: u16, text: &mut impl FnMut(&[u8])) -> Result<(), Malformed> {
        let character = match (self.high.take(), code) {
            (None, 0xd800..=0xdbff) => {
                self.high = Some(code);
                return Ok(());
            }
            (None, code) => char::from_u32(u32::from(code)),
            (Some(high), low @ 0xdc00..=0xdfff) => {
                char::from_u32(0x10000 + (u32::from(high - 0xd800) << 10 | u32::from(low - 0xdc00)))
            }
            (Some(_), _) => None,
        };
        text(character.ok_or(Malformed)?.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    /// A half of a surrogate pair is not followed by anything but the other half.
    fn no_half(&self) -> Result<(), Malformed> {
        if self.high.is_none() { Ok(()) } else { Err(Malformed) }
    }
}

fn plain_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte < 0x20 || matches!(byte, b'"' | b'\\')).unwrap_or(bytes.len())
}
