//! A process that takes its share of a core and touches nothing: what drippers take of the core on which they run, without what
//! they do to a proxy.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep};

/// Between two turns: drippers are woken as often.
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Args)]
pub(crate) struct Options {
    /// Part of a core, between 0 and 1
    #[arg(long)]
    share: f64,
}

/// Works until told to end.
pub(crate) async fn run(options: Options, told: impl Future<Output = ()>) -> io::Result<bool> {
    let mut told = pin!(told);
    let (began, mut worked) = (Instant::now(), Duration::ZERO);
    loop {
        let turn = Instant::now();
        while worked + turn.elapsed() < began.elapsed().mul_f64(options.share.clamp(0.0, 1.0)) {
            std::hint::spin_loop();
        }
        worked += turn.elapsed();
        tokio::select! {
            () = &mut told => return Ok(true),
            () = sleep(PAUSE) => {}
        }
    }
}
