//! The little of HTTP/1.1 that clients and replicas of the suite have in common. None of it is the program's.

/// The field lines of a head, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn of(headers: &[httparse::Header<'_>]) -> Fields {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Fields(headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect())
    }

    /// All values of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.0.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that may stand there once.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} is repeated: {self:?}");
        all.first().copied()
    }
}

/// The length of the head that begins `bytes`, if it is complete.
pub(crate) fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// A chunked body as it comes.
#[derive(Debug, Default)]
pub(crate) struct Dechunker {
    size_line: Vec<u8>,
    data_left: usize,
    /// Bytes of a CRLF that have yet to come.
    line_end_left: usize,
    is_last: bool,
    /// The body is complete.
    pub(crate) done: bool,
}

impl Dechunker {
    /// Takes what belongs to the body from the beginning of `bytes` and gives its data to `out`. Returns how much it took.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut out: impl FnMut(&[u8])) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.done {
            if self.data_left > 0 {
                let length = self.data_left.min(bytes.len() - at);
                out(&bytes[at..at + length]);
                at += length;
                self.data_left -= length;
                self.line_end_left = if self.data_left == 0 { 2 } else { 0 };
            } else {
                self.between(bytes[at]);
                at += 1;
            }
        }
        at
    }

    /// A byte that is no data: of a chunk's end or of the next one's size.
    fn between(&mut self, byte: u8) {
        if self.line_end_left > 0 {
            assert_eq!(byte, b"\r\n"[2 - self.line_end_left], "a chunk's end (trailers are never sent)");
            self.line_end_left -= 1;
            self.done = self.is_last && self.line_end_left == 0;
            return;
        }
        self.size_line.push(byte);
        if let Some(line) = self.size_line.strip_suffix(b"\r\n") {
            let text = str::from_utf8(line).expect("a chunk size in ASCII");
            let size = text.split(';').next().unwrap_or_default();
            self.data_left = usize::from_str_radix(size, 16).expect("a chunk size");
            self.is_last = self.data_left == 0;
            self.line_end_left = if self.is_last { 2 } else { 0 };
            self.size_line.clear();
        }
    }
}
