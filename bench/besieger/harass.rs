//! Clients that break every rule, between them some that keep them and check what they get.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use ringway::base::random::{Random, mix};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep, timeout};

use crate::message;
use crate::misbehave::GOOD_PREFIX;
use crate::tally::Tally;
use crate::tokens::pattern;
use crate::wire::Messages;

/// How long the sending of a hostile message may block, and how long a good request may take.
const SEND_PATIENCE: Duration = Duration::from_secs(2);
const GOOD_PATIENCE: Duration = Duration::from_secs(10);
const GOOD_BODY_BYTES_MAX: u64 = 30_000;
const PIECES_MAX: u64 = 4;

#[derive(Args)]
pub(crate) struct Options {
    /// The proxy.
    target: SocketAddr,
    /// Hostile clients at a time.
    #[arg(long, default_value_t = 300)]
    connections: u64,
    /// Clients that keep the rules.
    #[arg(long, default_value_t = 8)]
    good: u64,
    /// For how long new messages are begun; after it what is open stays open until the proxy ends it.
    #[arg(long)]
    seconds: u64,
    #[arg(long)]
    seed: u64,
}

pub(crate) async fn run(options: Options, told: impl Future<Output = ()>) -> io::Result<bool> {
    let tally = Tally::default();
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let seeds = |index: u64| Random::new(mix(options.seed ^ mix(index)));
    for index in 0..options.connections {
        tokio::task::spawn_local(harass(options.target, seeds(index), end, tally.clone()));
    }
    for index in 0..options.good {
        let random = seeds(options.connections + index);
        let good = Good { target: options.target, random, tally: tally.clone(), connection: None };
        tokio::task::spawn_local(good.ask_until(end));
    }
    tally.print_until(told).await;
    Ok(tally.is_clean())
}

async fn harass(target: SocketAddr, mut random: Random, end: Instant, tally: Tally) {
    while Instant::now() < end {
        match timeout(SEND_PATIENCE, TcpStream::connect(target)).await {
            Ok(Ok(stream)) => {
                tally.add("hostile connections");
                tally.add("open");
                let ended = assail(stream, &mut random).await;
                tally.remove("open");
                tally.add(ended);
            }
            _ => tally.add("hostile, not connected"),
        }
        sleep(Duration::from_millis(random.up_to(20))).await;
    }
}

/// Sends something, all of it or up to a random place, and leaves in one of many ways.
async fn assail(stream: TcpStream, random: &mut Random) -> &'static str {
    let mut bytes = message::assault(random, &[GOOD_PREFIX, "/"]);
    if random.chance(0.4) {
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
    }
    let (mut reader, mut writer) = stream.into_split();
    let sent = timeout(SEND_PATIENCE, send_in_pieces(&mut writer, &bytes, random)).await;
    if !matches!(sent, Ok(Ok(()))) {
        return "left: while sending";
    }
    match random.below(6) {
        0 => "left: closed at once",
        1 => {
            let _ = reader.as_ref().set_zero_linger();
            "left: reset"
        }
        2 => {
            let _ = writer.shutdown().await;
            read_to_end(&mut reader).await;
            "left: half-closed, read to the end"
        }
        3 => {
            let mut some = [0; 1_000];
            let _ = timeout(Duration::from_millis(random.up_to(300)), reader.read(&mut some)).await;
            "left: in the middle of the answer"
        }
        4 => {
            // Reads nothing: what is answered stays in the kernel, and the proxy has to end it.
            sleep(Duration::from_millis(random.up_to(4_000))).await;
            "left: unread"
        }
        _ => {
            read_to_end(&mut reader).await;
            "left: read to the end"
        }
    }
}

async fn send_in_pieces(writer: &mut OwnedWriteHalf, bytes: &[u8], random: &mut Random) -> io::Result<()> {
    let mut rest = bytes;
    for _ in 1..random.up_to(PIECES_MAX) {
        let (piece, after) = rest.split_at(random.below(rest.len() as u64 + 1) as usize);
        writer.write_all(piece).await?;
        rest = after;
        sleep(Duration::from_millis(random.up_to(20))).await;
    }
    writer.write_all(rest).await
}

async fn read_to_end(reader: &mut OwnedReadHalf) {
    let mut bytes = vec![0; 16 * 1024];
    while matches!(reader.read(&mut bytes).await, Ok(1..)) {}
}

/// A client that keeps the rules.
struct Good {
    target: SocketAddr,
    random: Random,
    tally: Tally,
    connection: Option<(Messages<OwnedReadHalf>, OwnedWriteHalf)>,
}

impl Good {
    async fn ask_until(mut self, end: Instant) {
        while Instant::now() < end {
            let token = self.random.next();
            match timeout(GOOD_PATIENCE, self.ask(token)).await {
                Ok(Ok(())) => self.tally.add("good requests answered"),
                Ok(Err(what)) => self.tally.fault(format!("good request {token:x}: {what}")),
                Err(_) => {
                    self.tally.fault(format!("good request {token:x}: no answer within {GOOD_PATIENCE:?}"))
                }
            }
            if self.random.chance(0.1) {
                self.connection = None;
            }
            sleep(Duration::from_millis(self.random.up_to(50))).await;
        }
    }

    async fn ask(&mut self, token: u64) -> Result<(), String> {
        let body = match self.random.chance(0.5) {
            true => pattern::of(token, self.random.up_to(GOOD_BODY_BYTES_MAX) as usize),
            false => Vec::new(),
        };
        let path = format!("{GOOD_PREFIX}{token:016x}");
        let method = if body.is_empty() { "GET" } else { "PUT" };
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: siege\r\nContent-Length: {length}\r\n\r\n");
        let request: Rc<[u8]> = [head.as_bytes(), &body].concat().into();
        loop {
            let reused = self.connection.is_some();
            match self.exchange(&request).await {
                // An idle connection may be closed at any moment; its request is asked anew, by any client.
                Err(_) if reused => {}
                answer => {
                    let (status, told, echoed) = answer?;
                    return match (status.as_str(), told == path, echoed == body) {
                        ("200", true, true) => Ok(()),
                        (_, same_path, same_body) => {
                            Err(format!("{status}, its path {same_path}, its body {same_body}"))
                        }
                    };
                }
            }
        }
    }

    /// Status, path and body as the server understood them. The connection is kept if it goes on.
    async fn exchange(&mut self, request: &[u8]) -> Result<(String, String, Vec<u8>), String> {
        let (mut messages, mut writer) = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(self.target).await.map_err(|error| error.to_string())?;
                let (reader, writer) = stream.into_split();
                (Messages::new(reader), writer)
            }
        };
        writer.write_all(request).await.map_err(|error| error.to_string())?;
        let head = messages.answer().await.map_err(|broken| format!("{broken:?}"))?;
        let head = head.ok_or("closed without an answer")?;
        let mut body = Vec::new();
        messages.body(head.framing, &mut body).await.map_err(|broken| format!("{broken:?} in the body"))?;
        if !head.closes {
            self.connection = Some((messages, writer));
        }
        Ok((head.what.0, head.token.unwrap_or_default(), body))
    }
}
