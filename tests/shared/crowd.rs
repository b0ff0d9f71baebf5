//! Clients that go on asking while something else happens, and what they see of it.

use std::net::SocketAddr;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::client::{Client, End};
use crate::harness::clock::{Stopwatch, pause};

/// After a refusal a client waits a little, as it is told to, though not for that long.
const AFTER_REFUSAL: Duration = Duration::from_millis(5);

/// What clients saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) sent: u64,
    /// With 200, whole, and for what was asked.
    pub(crate) answered: u64,
    /// With 503.
    pub(crate) refused: u64,
    /// With 502 or 504.
    pub(crate) upstream_failed: u64,
    /// Answers that broke off.
    pub(crate) cut: u64,
    /// Connections that ended without an answer.
    pub(crate) lost: u64,
    /// The longest wait for the end of an answer.
    pub(crate) slowest: Duration,
}

impl Seen {
    /// All that are no proper answers.
    pub(crate) fn failed(&self) -> u64 {
        self.sent - self.answered
    }
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Seen) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.refused += other.refused;
        self.upstream_failed += other.upstream_failed;
        self.cut += other.cut;
        self.lost += other.lost;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// What this many clients saw of echo workers behind `address` while `act` ran. Each asks on one connection, as fast as it
/// is answered.
pub(crate) fn under_load(address: SocketAddr, clients: usize, act: impl FnOnce()) -> Seen {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let crowd: Vec<_> = (0..clients)
            .map(|number| {
                let stop = &stop;
                scope.spawn(move || ask(address, number, stop))
            })
            .collect();
        {
            // Also if `act` panics: the scope waits for them.
            let _stopping = Stopping(&stop);
            act();
        }
        let mut seen = Seen::default();
        for client in crowd {
            seen += client.join().expect("a client");
        }
        seen
    })
}

struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends requests until it is told to stop. Its key is its own, so that all of them together use all replicas.
fn ask(address: SocketAddr, number: usize, stop: &AtomicBool) -> Seen {
    let mut client = Client::connect(address);
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        seen.sent += 1;
        let line = format!("GET /{number}/{}", seen.sent);
        let watch = Stopwatch::start();
        client.send(format!("{line} HTTP/1.1\r\nHost: a\r\nX-Key: {number}\r\n\r\n"));
        let answer = client.answer_to("GET");
        seen.slowest = seen.slowest.max(watch.elapsed());
        let goes_on = match answer {
            None => {
                seen.lost += 1;
                false
            }
            Some(answer) if answer.end == End::Cut => {
                seen.cut += 1;
                false
            }
            Some(answer) => {
                match answer.status {
                    200 => {
                        assert!(answer.text().ends_with(&format!(": {line}\n")), "{}", answer.text());
                        seen.answered += 1;
                    }
                    503 => {
                        seen.refused += 1;
                        pause(AFTER_REFUSAL);
                    }
                    502 | 504 => seen.upstream_failed += 1,
                    other => panic!("{line} was answered {other}: {}", answer.text()),
                }
                answer.field("Connection") != Some("close")
            }
        };
        if !goes_on {
            client = Client::connect(address);
        }
    }
    seen
}
