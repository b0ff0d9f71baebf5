//! The chunked coding a second time: one function for each rule of RFC 9112 7.1, over the whole body, byte by byte.

use ringway::h1::{BODY_BYTES_MAX, CHUNK_EXTENSION_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX, TRAILER_BYTES_MAX};

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// After so many bytes.
    Whole(usize),
    /// Not yet, but nothing is wrong.
    NeedMore,
    /// No further byte can mend it.
    Broken,
}

/// The data of a chunked body at the beginning of `bytes`, as far as it comes, and how that ends.
pub(super) fn read(bytes: &[u8]) -> (Vec<u8>, Ending) {
    let mut reader = Reader { bytes, at: 0, data: Vec::new() };
    let ending = match reader.body() {
        Ok(()) => Ending::Whole(reader.at),
        Err(stop) => stop,
    };
    (reader.data, ending)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    data: Vec<u8>,
}

type Step<T> = Result<T, Ending>;

impl Reader<'_> {
    /// *chunk last-chunk trailer-section CRLF
    fn body(&mut self) -> Step<()> {
        loop {
            let size = self.size()?;
            self.extensions()?;
            self.line_end()?;
            if size == 0 {
                return self.trailers();
            }
            self.chunk_data(size)?;
            self.line_end()?;
        }
    }

    fn size(&mut self) -> Step<u64> {
        let mut size: u128 = 0;
        for digits in 0.. {
            let Some(digit) = char::from(self.peek()?).to_digit(16) else {
                return if digits > 0 { Ok(size as u64) } else { Err(Ending::Broken) };
            };
            size = size * 16 + u128::from(digit);
            self.allow(digits < CHUNK_SIZE_DIGITS_MAX && size <= u128::from(BODY_BYTES_MAX))?;
            self.at += 1;
        }
        Err(Ending::Broken)
    }

    /// *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
    fn extensions(&mut self) -> Step<()> {
        let end = self.at + usize::from(CHUNK_EXTENSION_BYTES_MAX);
        let mut spaces = self.spaces(end)?;
        while spaces > 0 || self.peek()? != b'\r' {
            self.one(end, |byte| byte == b';')?;
            self.spaces(end)?;
            self.token(end)?;
            spaces = self.spaces(end)?;
            if self.peek()? == b'=' {
                self.one(end, |byte| byte == b'=')?;
                self.spaces(end)?;
                if self.peek()? == b'"' {
                    self.quoted(end)?
                } else {
                    self.token(end)?
                }
                spaces = self.spaces(end)?;
            }
        }
        Ok(())
    }

    fn quoted(&mut self, end: usize) -> Step<()> {
        self.one(end, |byte| byte == b'"')?;
        while self.peek()? != b'"' {
            if self.one(end, is_text)? == b'\\' {
                self.one(end, is_text)?;
            }
        }
        self.one(end, |byte| byte == b'"').map(drop)
    }

    /// The bytes of lines count, but for their LF.
    fn trailers(&mut self) -> Step<()> {
        let mut end = self.at + usize::from(TRAILER_BYTES_MAX);
        while self.peek()? != b'\r' {
            self.token(end)?;
            self.one(end, |byte| byte == b':')?;
            while self.peek()? != b'\r' {
                self.one(end, is_text)?;
            }
            self.allow(self.at < end)?;
            self.line_end()?;
            end += 1;
        }
        self.line_end()
    }

    fn chunk_data(&mut self, size: u64) -> Step<()> {
        let rest = &self.bytes[self.at..];
        let length = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        self.data.extend_from_slice(&rest[..length]);
        self.at += length;
        if length as u64 == size { Ok(()) } else { Err(Ending::NeedMore) }
    }

    fn line_end(&mut self) -> Step<()> {
        self.one(usize::MAX, |byte| byte == b'\r')?;
        self.one(usize::MAX, |byte| byte == b'\n').map(drop)
    }

    fn token(&mut self, end: usize) -> Step<()> {
        self.one(end, is_token)?;
        while is_token(self.peek()?) {
            self.one(end, is_token)?;
        }
        Ok(())
    }

    /// How many spaces and tabs follow.
    fn spaces(&mut self, end: usize) -> Step<usize> {
        let start = self.at;
        while matches!(self.peek()?, b' ' | b'\t') {
            self.one(end, |_| true)?;
        }
        Ok(self.at - start)
    }

    /// The next byte, which `rule` has to allow and which must not stand at `end` or behind.
    fn one(&mut self, end: usize, rule: impl Fn(u8) -> bool) -> Step<u8> {
        let byte = self.peek()?;
        self.allow(rule(byte) && self.at < end)?;
        self.at += 1;
        Ok(byte)
    }

    fn peek(&self) -> Step<u8> {
        self.bytes.get(self.at).copied().ok_or(Ending::NeedMore)
    }

    fn allow(&self, allowed: bool) -> Step<()> {
        if allowed { Ok(()) } else { Err(Ending::Broken) }
    }
}

/// tchar (RFC 9110 5.6.2)
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// HTAB, SP, VCHAR and obs-text.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7F)
}
