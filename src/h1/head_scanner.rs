//! Finding the end of a head that comes in pieces, in time linear in its length.

use super::error::HeadError;
use super::head::HeadLimits;
use super::scan;

/// Remembers how far it has looked into a buffer that only grows, so that a head which drips in byte by byte costs one
/// pass in all. After the first `Partial` of a parse, feed it until it finds the end, then parse once more.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadScanner {
    looked: usize,
    line_start: usize,
}

impl HeadScanner {
    /// A scanner at the beginning of a head.
    pub const fn new() -> HeadScanner {
        HeadScanner { looked: 0, line_start: 0 }
    }

    /// Looks at what `buffer` has gained since the last call; returns the head's length once it is whole.
    ///
    /// `buffer` holds the head from its beginning each time. One empty line before the start line is skipped. A bare
    /// LF or CR and a head beyond `limits.head_bytes_max` are reported at once; every other fault is left to the parse.
    pub fn scan(&mut self, buffer: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let bytes = &buffer[..buffer.len().min(limits.head_bytes_max)];
        loop {
            let at = scan::field_value_end(bytes, self.looked.min(bytes.len()));
            self.looked = at;
            match bytes.get(at..).unwrap_or_default() {
                [b'\r', b'\n', ..] => {
                    let is_empty = at == self.line_start;
                    self.looked = at + 2;
                    self.line_start = at + 2;
                    if is_empty && at > 0 {
                        return Ok(Some(at + 2));
                    }
                }
                [] | [b'\r'] => break,
                [b'\r', ..] => return Err(HeadError::BareCarriageReturn),
                [b'\n', ..] => return Err(HeadError::BareLineFeed),
                _ => self.looked = at + 1,
            }
        }
        if bytes.len() >= limits.head_bytes_max { Err(HeadError::HeadTooLarge) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` one more each time; the answer and how many bytes it took.
    fn drip(bytes: &[u8], limits: &HeadLimits) -> (Result<Option<usize>, HeadError>, usize) {
        let mut scanner = HeadScanner::new();
        for fed in 0..=bytes.len() {
            match scanner.scan(&bytes[..fed], limits) {
                Ok(None) => {}
                found => return (found, fed),
            }
        }
        (Ok(None), bytes.len())
    }

    #[test]
    fn the_end_is_found_with_its_last_byte_whether_dripped_or_whole() {
        let table: [&[u8]; 4] = [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: \x01\r\n\r\n",
        ];
        for head in table {
            assert_eq!(drip(head, &HeadLimits::default()), (Ok(Some(head.len())), head.len()));
            let more = [head, b"GET /next HTTP/1.1\r\n\r\n"].concat();
            assert_eq!(HeadScanner::new().scan(&more, &HeadLimits::default()), Ok(Some(head.len())));
        }
    }

    #[test]
    fn faults_are_reported_as_soon_as_they_are_there() {
        let limits = HeadLimits { head_bytes_max: 20, ..HeadLimits::default() };
        let table: [(&[u8], HeadError, usize); 5] = [
            (b"GET / HTTP/1.1\nHost", HeadError::BareLineFeed, 15),
            (b"\nGET", HeadError::BareLineFeed, 1),
            (b"GET / HTTP/1.1\rHost", HeadError::BareCarriageReturn, 16),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", HeadError::HeadTooLarge, 20),
            (b"GET /a HTTP/1.1\r\nHo\r\n\r\n", HeadError::HeadTooLarge, 20),
        ];
        for (bytes, fault, fed) in table {
            assert_eq!(drip(bytes, &limits), (Err(fault), fed), "{}", bytes.escape_ascii());
            assert_eq!(HeadScanner::new().scan(bytes, &limits), Err(fault));
        }
    }

    #[test]
    fn a_dripped_head_is_looked_at_once() {
        let head = [&b"GET / HTTP/1.1\r\nCookie: "[..], &[b'c'; 20_000], b"\r\n\r\n"].concat();
        let mut scanner = HeadScanner::new();
        for fed in 0..head.len() {
            assert_eq!(scanner.scan(&head[..fed], &HeadLimits::default()), Ok(None));
            assert!(scanner.looked + 1 >= fed, "only a CR may wait to be looked at again");
        }
    }
}
