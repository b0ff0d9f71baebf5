//! `ringway worker ...`.

use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{Failure, limits, signals, tell};
use crate::base::mailbox::{CoreMessage, Mailbox};
use crate::engine::epoll::Epoll;
use crate::engine::socket;
use crate::worker::echo::{self, Ended};
use crate::worker::{self, EchoOptions};

/// How long exchanges may take to finish once a signal ends the worker.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest body that `--size` may ask for, in bytes.
const SIZE_MAX: u64 = 64 * 1024 * 1024;
/// The longest name of a worker.
const ID_BYTES_MAX: usize = 255;

/// The bundled replicas.
#[derive(Debug, Subcommand)]
pub(super) enum Worker {
    /// Answer /home with a greeting, /heartbeat with nothing, and anything else with its own body.
    ///
    /// SIGINT and SIGTERM end it once open exchanges are finished, within 5 s; a second signal at once.
    Echo(Echo),
}

#[derive(Debug, Args)]
pub(super) struct Echo {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// The name to answer by, in /home and in the field X-Replica; the address if none is given.
    #[arg(long, value_name = "NAME", value_parser = parse_id)]
    id: Option<String>,
    /// How long each answer takes, heartbeats aside.
    #[arg(long, value_name = "N", default_value_t = 0)]
    delay_ms: u64,
    /// With this, the time is drawn between --delay-ms and it.
    #[arg(long, value_name = "N")]
    delay_ms_max: Option<u64>,
    /// How many of 100 answers are 500, heartbeats aside.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    fail: u8,
    /// The size of the body of /home, instead of the greeting.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(0..=SIZE_MAX))]
    size: Option<u64>,
    /// Write a line for each request to standard output.
    #[arg(long)]
    log: bool,
    /// How heartbeats are answered: with 200, with 500, or never.
    #[arg(long, value_enum, default_value_t = Heartbeat::Ok)]
    heartbeat: Heartbeat,
    /// Listen only after so long.
    #[arg(long, value_name = "N", default_value_t = 0)]
    start_delay_ms: u64,
    /// End, with exit code 1 and without finishing others, after the answer to this many requests, heartbeats aside.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    exit_after: Option<u64>,
}

/// A name stands in a header field and in JSON without being quoted.
fn parse_id(written: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    if (1..=ID_BYTES_MAX).contains(&written.len()) && written.bytes().all(is_plain) {
        return Ok(written.to_owned());
    }
    Err(format!("write 1 to {ID_BYTES_MAX} visible ASCII characters, no blank, '\"' or '\\' among them"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Heartbeat {
    Ok,
    Fail,
    Hang,
}

/// Runs a worker until it ends.
pub(super) fn run(worker: Worker) -> Result<ExitCode, Failure> {
    let Worker::Echo(arguments) = worker;
    limits::raise_descriptors();
    let mailbox = Arc::new(Mailbox::default());
    end_on_signals(mailbox.clone(), Duration::from_millis(arguments.start_delay_ms))?;
    let socket = bind(arguments.listen)?;
    let address = socket.local_addr()?;
    let options = arguments.options(address);
    tell(format_args!("echo worker '{}' listens on {address}", options.id));
    Ok(match serve(socket, options, mailbox)? {
        Ended::Drained => ExitCode::SUCCESS,
        Ended::Spent => ExitCode::FAILURE,
        Ended::Cut(connections) => {
            tell(format_args!("ringway: {connections} connections were cut"));
            ExitCode::FAILURE
        }
    })
}

impl Echo {
    fn options(self, address: SocketAddr) -> EchoOptions {
        let least = Duration::from_millis(self.delay_ms);
        let most = self.delay_ms_max.map_or(least, Duration::from_millis);
        EchoOptions {
            id: self.id.unwrap_or_else(|| address.to_string()),
            delay: least..=most.max(least),
            fail_percent: self.fail,
            size: self.size.and_then(|size| usize::try_from(size).ok()),
            heartbeat: match self.heartbeat {
                Heartbeat::Ok => worker::Heartbeat::Ok,
                Heartbeat::Fail => worker::Heartbeat::Fail,
                Heartbeat::Hang => worker::Heartbeat::Hang,
            },
            log: self.log,
            requests_max: self.exit_after,
            seed: RandomState::new().hash_one(address),
        }
    }
}

/// From now on the first SIGINT or SIGTERM drains the worker, and the second ends the process. Returns after `delay`, which
/// a signal ends with the process.
fn end_on_signals(mailbox: Arc<Mailbox>, delay: Duration) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before the signals are caught: a worker that does not listen yet has nothing to finish.
    runtime.block_on(async { tokio::time::sleep(delay).await });
    signals::on_first(move || {
        mailbox.send(CoreMessage::Drain { lame_duck: Duration::ZERO, timeout: DRAIN_TIMEOUT });
    })
}

fn serve(socket: TcpListener, options: EchoOptions, mailbox: Arc<Mailbox>) -> Result<Ended, Failure> {
    let engine = Epoll::new()?;
    let listener = engine.listener(socket)?;
    Ok(engine.run(echo::serve(engine.clone(), listener, options, mailbox)))
}

/// One listening socket.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let sockets =
        socket::listen(address, 1).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    sockets.into_iter().next().ok_or_else(|| format!("no socket for {address}").into())
}
