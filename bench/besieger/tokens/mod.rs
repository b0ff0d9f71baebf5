//! Clients and servers that share a ledger: each request has a token of its own, and whoever gets another's answer, or a
//! part of it as if it were whole, is told; so is a POST that the servers saw twice.

mod client;
mod ledger;
pub(crate) mod pattern;
mod server;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ringway::base::random::{Random, mix};
use tokio::time::{Instant, sleep};

use crate::tally::Tally;
use ledger::Ledger;

/// How long the clients may take for what they have begun when the time is over.
const FINISH: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(crate) struct Options {
    /// The proxy.
    target: SocketAddr,
    /// Where the servers listen.
    #[arg(required = true)]
    servers: Vec<SocketAddr>,
    #[arg(long, default_value_t = 128)]
    clients: u64,
    #[arg(long)]
    seconds: u64,
    #[arg(long)]
    seed: u64,
    /// A mistake of the servers that the ledger has to find.
    #[arg(long, value_enum, hide = true)]
    plant: Option<Plant>,
}

/// What a server does wrong once in a while.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Plant {
    /// The answer is that of the request before.
    SwapTokens,
    /// The body is shorter than it should be, and is said to be so.
    ShortenBodies,
    /// One byte of the body is another.
    SpoilBodies,
    /// A request counts as having come twice.
    RepeatRequests,
}

pub(crate) async fn run(options: Options, told: impl Future<Output = ()>) -> io::Result<bool> {
    let tally = Tally::default();
    let ledger = Rc::new(RefCell::new(Ledger::new(tally.clone())));
    let seeds = |index: u64| Random::new(mix(options.seed ^ mix(index)));
    for (index, &address) in (0..).zip(&options.servers) {
        let server = server::Server::new(address, seeds(index), ledger.clone(), options.plant);
        tokio::task::spawn_local(server.live_and_die());
    }
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let clients: Vec<_> = (0..options.clients)
        .map(|index| {
            let client = client::Client::new(options.target, seeds(1_000 + index), ledger.clone());
            tokio::task::spawn_local(client.ask_until(end))
        })
        .collect();
    let finished = async {
        for client in clients {
            // A task that panicked is a fault of this program, and ends it.
            client.await.expect("a client that ended by itself");
        }
    };
    let late = sleep(Duration::from_secs(options.seconds) + FINISH);
    let over = async {
        tokio::select! {
            () = finished => {}
            () = late => tally.fault("clients still wait for answers".to_owned()),
            () = told => {}
        }
    };
    tally.print_until(over).await;
    Ok(tally.is_clean())
}
