//! Connections that are open and bring nearly nothing: what each costs the proxy is what the siege measures.
//!
//! Whoever is ended by the proxy comes back at once, and how it was ended is counted.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, ValueEnum};
use ringway::base::random::{Random, mix};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::tally::Tally;

/// Over how many addresses of the loopback the connections are spread: one has about 28,000 ports, and those of ended
/// connections stay taken for a minute.
const SOURCES: usize = 64;
/// Over how long the first connections are spread.
const OPENING: Duration = Duration::from_secs(4);
/// A small receive buffer: what the kernel takes for a client that does not read must not be mistaken for progress.
const RECEIVE_BUFFER_BYTES: u32 = 4096;
const UNREAD_BODY_BYTES: usize = 1024 * 1024;

#[derive(Args)]
pub(crate) struct Options {
    /// The proxy.
    target: SocketAddr,
    #[arg(long, default_value_t = 9_000)]
    connections: usize,
    /// How long each connection waits between two bytes.
    #[arg(long, default_value_t = 5_000)]
    interval_ms: u64,
    /// How long an answer is read a byte at a time: more than the proxy's patience, whose end the client cannot see behind
    /// what it has not read.
    #[arg(long, default_value_t = 35_000)]
    unread_ms: u64,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = KINDS)]
    kinds: Vec<Kind>,
    #[arg(long)]
    seed: u64,
}

pub(crate) async fn run(options: Options, told: impl Future<Output = ()>) -> io::Result<bool> {
    let tally = Tally::default();
    for index in 0..options.connections {
        let dripper = Dripper {
            kind: options.kinds[index % options.kinds.len()],
            source: source(index),
            target: options.target,
            path: format!("drip-{index}"),
            interval: Duration::from_millis(options.interval_ms),
            unread: Duration::from_millis(options.unread_ms),
            random: Random::new(mix(options.seed ^ mix(index as u64))),
            tally: tally.clone(),
        };
        let delay = OPENING.mul_f64(index as f64 / options.connections as f64);
        tokio::task::spawn_local(dripper.drip_for_ever(delay));
    }
    tally.print_until(told).await;
    Ok(true)
}

fn source(index: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 1, (1 + index % SOURCES) as u8)), 0)
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// A head, a byte at a time, from its first byte on.
    Head,
    /// A body with a Content-Length.
    Body,
    /// A body in chunks of one byte; their headers come as slowly.
    Chunks,
    /// The reading of a long answer.
    Unread,
    /// Nothing at all.
    Silent,
}

const KINDS: [Kind; 5] = [Kind::Head, Kind::Body, Kind::Chunks, Kind::Unread, Kind::Silent];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Head => "head",
            Kind::Body => "body",
            Kind::Chunks => "chunks",
            Kind::Unread => "unread",
            Kind::Silent => "silent",
        }
    }
}

struct Dripper {
    kind: Kind,
    source: SocketAddr,
    target: SocketAddr,
    path: String,
    interval: Duration,
    unread: Duration,
    random: Random,
    tally: Tally,
}

impl Dripper {
    async fn drip_for_ever(mut self, delay: Duration) {
        sleep(delay).await;
        loop {
            match self.connect().await {
                Ok(stream) => {
                    self.tally.add("opened");
                    self.tally.add("open");
                    let ended = self.drip(stream).await;
                    self.tally.remove("open");
                    self.tally.add(&format!("{}: {ended}", self.kind.name()));
                }
                Err(_) => self.tally.add("not connected"),
            }
            sleep(Duration::from_millis(self.random.up_to(200))).await;
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if matches!(self.kind, Kind::Unread) {
            socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        }
        socket.bind(self.source)?;
        let stream = socket.connect(self.target).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// How it ended.
    async fn drip(&mut self, mut stream: TcpStream) -> String {
        let path = &self.path;
        let opening = match self.kind {
            Kind::Head | Kind::Silent => String::new(),
            Kind::Body => {
                format!("POST /{path} HTTP/1.1\r\nHost: siege\r\nContent-Length: 1000000\r\n\r\n")
            }
            Kind::Chunks => {
                format!("POST /{path} HTTP/1.1\r\nHost: siege\r\nTransfer-Encoding: chunked\r\n\r\n")
            }
            Kind::Unread => format!("GET /{UNREAD_BODY_BYTES}/{path} HTTP/1.1\r\nHost: siege\r\n\r\n"),
        };
        if stream.write_all(opening.as_bytes()).await.is_err() {
            return "reset".to_owned();
        }
        match self.kind {
            Kind::Head => {
                let head = format!("GET /{path} HTTP/1.1\r\nHost: siege\r\nX-Drip: ");
                self.send_slowly(stream, |sent| head.as_bytes().get(sent).copied().or(Some(b'x'))).await
            }
            Kind::Body => self.send_slowly(stream, |_| Some(b'x')).await,
            Kind::Chunks => self.send_slowly(stream, |sent| Some(b"1\r\nx\r\n"[sent % 6])).await,
            Kind::Silent => self.send_slowly(stream, |_| None).await,
            Kind::Unread => self.read_slowly(stream).await,
        }
    }

    /// Sends a byte at a time until the proxy has enough.
    async fn send_slowly(&mut self, stream: TcpStream, byte: impl Fn(usize) -> Option<u8>) -> String {
        let mut answer = Vec::new();
        let mut next = Instant::now() + self.interval.mul_f64(self.random.below(1_000) as f64 / 1_000.0);
        let mut sent = 0;
        loop {
            tokio::select! {
                _ = stream.readable() => {
                    let mut bytes = [0; 512];
                    match stream.try_read(&mut bytes) {
                        Ok(0) => return told(&answer, "closed"),
                        Ok(count) => answer.extend_from_slice(&bytes[..count]),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => return told(&answer, "reset"),
                    }
                }
                () = tokio::time::sleep_until(next), if byte(sent).is_some() => {
                    // Where it fails, reading tells why.
                    let _ = byte(sent).map(|byte| stream.try_write(&[byte]));
                    sent += 1;
                    next = Instant::now() + self.interval;
                }
            }
        }
    }

    /// Reads a byte at a time for a while, and leaves with a reset.
    async fn read_slowly(&mut self, mut stream: TcpStream) -> String {
        let until = Instant::now() + self.unread;
        sleep(self.interval.mul_f64(self.random.below(1_000) as f64 / 1_000.0)).await;
        while Instant::now() < until {
            match timeout(self.interval, stream.read_u8()).await {
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return "closed".to_owned(),
                Ok(Err(_)) => return "reset".to_owned(),
                Ok(Ok(_)) | Err(_) => {}
            }
            sleep(self.interval).await;
        }
        let _ = stream.set_zero_linger();
        "left".to_owned()
    }
}

/// The status that stands in `answer`, or how the connection ended without one.
fn told(answer: &[u8], otherwise: &str) -> String {
    let status = answer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    status.map_or(otherwise.to_owned(), |status| String::from_utf8_lossy(status).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_by_its_status_or_else_by_its_manner() {
        assert_eq!(told(b"HTTP/1.1 408 Request Timeout\r\n", "closed"), "408");
        assert_eq!(told(b"HTTP/1.1 4", "reset"), "reset");
        assert_eq!(told(b"", "closed"), "closed");
    }
}
