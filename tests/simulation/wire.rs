//! HTTP/1.1 as the test's own peers read it: by httparse and a few lines, so that nothing judges itself.

use std::time::Duration;

use ringway::engine::simulated::{Simulated, SimulatedReader, SimulatedWriter};
use ringway::engine::{self, Connection, Engine, IoError, Timer, Writer};

/// The largest head that a peer reads.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Why a peer hears no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The stream ended.
    End,
    /// The connection was reset, or is closed.
    Reset,
    /// Nothing came for as long as the peer waits.
    TimedOut,
    /// What came is no HTTP.
    Malformed,
    /// As much has come as the peer wanted to read.
    Enough,
}

impl From<IoError> for Broken {
    fn from(error: IoError) -> Self {
        if error == IoError::TimedOut { Broken::TimedOut } else { Broken::Reset }
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Sized(usize),
    Chunked,
    UntilClose,
}

/// A head of either kind; what does not apply is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) minor_version: u8,
    fields: Vec<(String, String)>,
}

impl Head {
    /// The value of a field that is there once at most.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    /// Whether Connection has this option.
    pub(crate) fn says(&self, option: &str) -> bool {
        self.field("Connection").is_some_and(|value| value.eq_ignore_ascii_case(option))
    }

    /// The framing that the fields announce.
    pub(crate) fn announced(&self) -> Option<Framing> {
        if self.field("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Some(Framing::Chunked);
        }
        self.number("Content-Length").map(|length| Framing::Sized(length as usize))
    }

    /// The same head for another path.
    pub(crate) fn with_path(&self, path: &str) -> Head {
        Head { path: path.to_string(), ..self.clone() }
    }

    /// Appends the field lines, without those that frame the body.
    pub(crate) fn write_fields(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.fields {
            if !["content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str()) {
                out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
        }
    }

    /// How the body of an answer to `method` ends (RFC 9112 6.3).
    pub(crate) fn answer_framing(&self, method: &str) -> Framing {
        if method == "HEAD" || matches!(self.status, 100..=199 | 204 | 304) {
            return Framing::None;
        }
        self.announced().unwrap_or(Framing::UntilClose)
    }

    fn of(fields: &[httparse::Header<'_>]) -> Head {
        let fields = fields
            .iter()
            .map(|field| (field.name.to_string(), String::from_utf8_lossy(field.value).into_owned()))
            .collect();
        Head { fields, ..Head::default() }
    }
}

/// A connection's receiving half with what was read ahead.
pub(crate) struct Receiving {
    reader: SimulatedReader,
    engine: Simulated,
    timer: Timer,
    patience: Duration,
    pub(crate) pending: Vec<u8>,
    /// How many more bytes are read from the connection at most.
    pub(crate) allowance: usize,
}

/// A connection's sending half.
pub(crate) struct Sending {
    pub(crate) writer: SimulatedWriter,
    engine: Simulated,
    timer: Timer,
    patience: Duration,
}

/// Both halves of a connection, each of which waits for `patience` at most.
pub(crate) fn halves(
    engine: &Simulated,
    connection: Connection<SimulatedReader, SimulatedWriter>,
    patience: Duration,
) -> (Receiving, Sending) {
    let Connection { reader, writer } = connection;
    let timer = || engine.handle().timer();
    let receiving = Receiving {
        reader,
        engine: engine.clone(),
        timer: timer(),
        patience,
        pending: Vec::new(),
        allowance: usize::MAX,
    };
    (receiving, Sending { writer, engine: engine.clone(), timer: timer(), patience })
}

impl Receiving {
    /// Waits for more bytes.
    pub(crate) async fn fill(&mut self) -> Result<(), Broken> {
        if self.allowance == 0 {
            return Err(Broken::Enough);
        }
        let deadline = self.engine.handle().now() + self.patience;
        let lent = engine::read(&mut self.reader, &mut self.timer, deadline).await?.ok_or(Broken::End)?;
        let taken = lent.len().min(self.allowance);
        self.allowance = self.allowance.saturating_sub(taken);
        self.pending.extend_from_slice(&lent[..taken]);
        Ok(())
    }

    /// Does not read for `time`.
    pub(crate) async fn rest(&mut self, time: Duration) {
        let until = self.engine.handle().now() + time;
        self.timer.sleep_until(until).await;
    }

    /// Waits for the end of the stream; bytes before it are an error.
    pub(crate) async fn end(&mut self) -> Result<(), Broken> {
        if self.pending.is_empty() {
            match self.fill().await {
                Ok(()) => {}
                Err(Broken::End | Broken::Reset) => return Ok(()),
                Err(broken) => return Err(broken),
            }
        }
        Err(Broken::Malformed)
    }

    /// The next request's head.
    pub(crate) async fn request(&mut self) -> Result<Head, Broken> {
        let bytes = self.head_bytes().await?;
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&bytes) {
            Ok(httparse::Status::Complete(_)) => Ok(Head {
                method: request.method.unwrap_or_default().to_string(),
                path: request.path.unwrap_or_default().to_string(),
                minor_version: request.version.unwrap_or_default(),
                ..Head::of(request.headers)
            }),
            _ => Err(Broken::Malformed),
        }
    }

    /// The next answer's head.
    pub(crate) async fn answer(&mut self) -> Result<Head, Broken> {
        let bytes = self.head_bytes().await?;
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut answer = httparse::Response::new(&mut fields);
        match answer.parse(&bytes) {
            Ok(httparse::Status::Complete(_)) => Ok(Head {
                status: answer.code.unwrap_or_default(),
                minor_version: answer.version.unwrap_or_default(),
                ..Head::of(answer.headers)
            }),
            _ => Err(Broken::Malformed),
        }
    }

    async fn head_bytes(&mut self) -> Result<Vec<u8>, Broken> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.pending[searched..].windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.pending.split_off(searched + at + 4);
                return Ok(std::mem::replace(&mut self.pending, rest));
            }
            if self.pending.len() > HEAD_BYTES_MAX {
                return Err(Broken::Malformed);
            }
            searched = self.pending.len().saturating_sub(3);
            self.fill().await?;
        }
    }

    /// Reads a whole body into `body`, which holds what came of it in any case.
    pub(crate) async fn body(&mut self, framing: Framing, body: &mut Vec<u8>) -> Result<(), Broken> {
        match framing {
            Framing::None => Ok(()),
            Framing::Sized(length) => self.take(length, body).await,
            Framing::Chunked => self.chunks(body).await,
            Framing::UntilClose => loop {
                body.append(&mut self.pending);
                match self.fill().await {
                    Ok(()) => {}
                    Err(Broken::End) => return Ok(()),
                    Err(broken) => return Err(broken),
                }
            },
        }
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> Result<(), Broken> {
        loop {
            let line = self.line().await?;
            let size = std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line, 16).ok());
            match size.ok_or(Broken::Malformed)? {
                0 => break,
                size => self.take(size, body).await?,
            }
            if !self.line().await?.is_empty() {
                return Err(Broken::Malformed);
            }
        }
        if self.line().await?.is_empty() { Ok(()) } else { Err(Broken::Malformed) }
    }

    async fn line(&mut self) -> Result<Vec<u8>, Broken> {
        loop {
            if let Some(at) = self.pending.windows(2).position(|two| two == b"\r\n") {
                let line = self.pending[..at].to_vec();
                self.pending.drain(..at + 2);
                return Ok(line);
            }
            if self.pending.len() > 64 {
                return Err(Broken::Malformed);
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, length: usize, body: &mut Vec<u8>) -> Result<(), Broken> {
        let mut left = length;
        loop {
            let count = left.min(self.pending.len());
            body.extend(self.pending.drain(..count));
            left -= count;
            if left == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }
}

impl Sending {
    /// Sends all of `bytes`.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.writer.buffer().extend_from_slice(bytes);
        let deadline = self.engine.handle().now() + self.patience;
        Ok(engine::flush(&mut self.writer, &mut self.timer, deadline).await?)
    }

    pub(crate) async fn sleep(&mut self, time: Duration) {
        let until = self.engine.handle().now() + time;
        self.timer.sleep_until(until).await;
    }
}

/// A body in the chunked coding, in chunks of `size` bytes.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 64);
    for chunk in body.chunks(size.max(1)) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// Sleeps for `time` of the virtual clock.
pub(crate) async fn sleep(engine: &Simulated, time: Duration) {
    let until = engine.handle().now() + time;
    engine.handle().timer().sleep_until(until).await;
}
