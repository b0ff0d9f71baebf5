//! Servers that break every rule, and one that keeps them and tells what it understood.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ringway::base::random::{Random, mix};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::message;
use crate::tally::Tally;

/// The requests that go to the server which keeps the rules.
pub(crate) const GOOD_PREFIX: &str = "/good/";
const ANSWERS_MAX: u64 = 20;
const PAUSE_AFTER_ACCEPT_FAILED: Duration = Duration::from_millis(50);

#[derive(Args)]
pub(crate) struct Options {
    /// Where the server that keeps the rules listens.
    #[arg(long)]
    honest: SocketAddr,
    /// Where the others listen.
    #[arg(required = true)]
    hostile: Vec<SocketAddr>,
    #[arg(long)]
    seed: u64,
}

pub(crate) async fn run(options: Options, told: impl Future<Output = ()>) -> io::Result<bool> {
    let tally = Tally::default();
    let honest = TcpListener::bind(options.honest).await?;
    tokio::task::spawn_local(async move {
        loop {
            let stream = accepted(&honest).await;
            tokio::task::spawn_local(serve_honestly(stream));
        }
    });
    for (index, address) in options.hostile.iter().enumerate() {
        let listener = TcpListener::bind(address).await?;
        let (mut random, tally) = (Random::new(mix(options.seed ^ mix(index as u64))), tally.clone());
        tokio::task::spawn_local(async move {
            loop {
                let stream = accepted(&listener).await;
                let random = Random::new(random.next());
                tokio::task::spawn_local(misbehave(stream, random, tally.clone()));
            }
        });
    }
    tally.print_until(told).await;
    Ok(true)
}

async fn accepted(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => sleep(PAUSE_AFTER_ACCEPT_FAILED).await,
        }
    }
}

async fn serve_honestly(stream: TcpStream) {
    // A connection that the proxy cuts is an error for hyper, and none for us.
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(echo)).await;
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        let mut refusal = Response::new(Full::new(Bytes::new()));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(refusal);
    };
    let mut response = Response::new(Full::new(body.to_bytes()));
    if let Ok(path) = HeaderValue::from_str(head.uri.path()) {
        response.headers_mut().insert("x-token", path);
    }
    Ok(response)
}

async fn misbehave(mut stream: TcpStream, mut random: Random, tally: Tally) {
    let _ = stream.set_nodelay(true);
    for _ in 0..random.up_to(ANSWERS_MAX) {
        match read_request(&mut stream).await {
            Ok(true) => {}
            _ => return,
        }
        let (name, goes_on) = answer(&mut stream, &mut random).await;
        tally.add(name);
        if !goes_on {
            return;
        }
    }
}

/// Reads what looks like a request; what comes of its body later passes for the next one.
async fn read_request(stream: &mut TcpStream) -> io::Result<bool> {
    let mut bytes = vec![0; 16 * 1024];
    let mut length = 0;
    while length < bytes.len() {
        match stream.read(&mut bytes[length..]).await? {
            0 => return Ok(false),
            count => length += count,
        }
        if bytes[..length].windows(4).any(|window| window == b"\r\n\r\n") {
            break;
        }
    }
    Ok(true)
}

/// What was done, and whether the connection goes on.
async fn answer(stream: &mut TcpStream, random: &mut Random) -> (&'static str, bool) {
    let valid = message::answer(random);
    let cut = random.below(valid.len() as u64 + 1) as usize;
    let (name, bytes) = match random.below(20) {
        0..=7 => return ("valid", stream.write_all(&valid).await.is_ok()),
        8..=9 => {
            let bytes = message::mutated(random, valid);
            return ("mutated", stream.write_all(&bytes).await.is_ok());
        }
        10 => return ("twice", stream.write_all(&valid.repeat(2)).await.is_ok()),
        11 => {
            let bytes = [valid, message::noise(random)].concat();
            return ("more than its length", stream.write_all(&bytes).await.is_ok());
        }
        12 => {
            let _ = stream.set_zero_linger();
            return ("reset", false);
        }
        13 => {
            let _ = stream.write_all(&valid[..cut]).await;
            let _ = stream.set_zero_linger();
            return ("cut by a reset", false);
        }
        14 => ("cut", valid[..cut].to_vec()),
        15 => ("noise", message::noise(random)),
        16 => return stalled(stream, &valid[..cut]).await,
        17 => (
            "interim answers",
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(random.up_to(40) as usize),
        ),
        18 => {
            let line = format!("X-{}: {:x}\r\n", "n".repeat(50), random.next());
            (
                "an endless head",
                [b"HTTP/1.1 200 OK\r\n".as_slice(), &line.repeat(2_000).into_bytes()].concat(),
            )
        }
        _ => (
            "an upgrade",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec(),
        ),
    };
    let _ = stream.write_all(&bytes).await;
    (name, false)
}

/// Sends the beginning of an answer, and then nothing until the proxy leaves.
async fn stalled(stream: &mut TcpStream, beginning: &[u8]) -> (&'static str, bool) {
    let _ = stream.write_all(beginning).await;
    let mut rest = vec![0; 4 * 1024];
    while matches!(stream.read(&mut rest).await, Ok(1..)) {}
    ("stalled", false)
}
