//! `swaps ENGINE LISTEN PER_SECOND WHO UPSTREAM...`: one core of Ringway's data plane, whose snapshot is replaced so many times a second.
//!
//! The data plane, the snapshots and the way in which they are compiled and published are Ringway's own; the control thread is not
//! there, because each of its changes waits for a disk. A replica comes and goes with every snapshot, so that a placement is
//! compiled for each. `WHO` it is: `waiting`, one more than there are servers, which has no address yet, so that all requests go where
//! they went; or `serving`, the last of the servers, whose requests move and whose connections end each time that it goes. Once a
//! second a line says how many snapshots were published (`PUBLISHED n SECONDS s`).

#![expect(
    clippy::disallowed_methods,
    reason = "what publishes runs beside the engine, and has no clock of its own"
)]

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use mimalloc::MiMalloc;
use ringway::base::forwarding::ForwardingPolicy;
use ringway::base::policy::ClientLimits;
use ringway::dataplane::{Capacity, CoreSettings, Entrance, run_core};
use ringway::engine::epoll::Epoll;
use ringway::engine::io_uring::IoUring;
use ringway::engine::{Listener, memory, socket};
use ringway::placement::snapshot::{ReplicaSpec, ServiceSpec};
use ringway::placement::{Published, Snapshot};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const OBSERVATIONS_MAX: usize = 4096;
const CONNECTIONS_MAX: usize = 16 * 1024;
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, listen, per_second, who, upstreams @ ..] = arguments.as_slice() else {
        eprintln!("usage: swaps epoll|io_uring LISTEN PER_SECOND waiting|serving UPSTREAM...");
        return ExitCode::from(2);
    };
    let served =
        Services::new(who, upstreams).and_then(|services| serve(engine, listen, per_second, services));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("swaps: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(engine: &str, listen: &str, per_second: &str, services: Services) -> Result<(), Failure> {
    memory::use_small_pages()?;
    let per_second: u32 = per_second.parse()?;
    let published = Published::new(Snapshot::build(services.with_all(), None)?);
    let listeners = socket::listen(listen.parse()?, 1)?;
    // Nobody asks for observations here; what does not fit is dropped.
    let (observe, _observations) = crossbeam::channel::bounded(OBSERVATIONS_MAX);
    let settings = CoreSettings {
        index: 0,
        cores: NonZeroUsize::MIN,
        client: ClientLimits::default(),
        forwarding: ForwardingPolicy::default(),
        capacity: Capacity { connections_max: CONNECTIONS_MAX, surplus_max: 1, addresses: None },
        snapshots: published.subscribe(),
        mailbox: Default::default(),
        observations: observe,
        counters: Default::default(),
        seed: 7,
    };
    thread::spawn(move || publish(published, &services, per_second));
    run(engine, listeners, settings)
}

fn watch<L: Listener, Error>(
    sockets: Vec<TcpListener>,
    listen: impl Fn(TcpListener) -> Result<L, Error>,
) -> Result<Vec<Entrance<L>>, Error> {
    sockets.into_iter().map(|socket| listen(socket).map(Entrance::alone)).collect()
}

fn run(engine: &str, listeners: Vec<TcpListener>, settings: CoreSettings) -> Result<(), Failure> {
    match engine {
        "epoll" => {
            let engine = Epoll::new()?;
            let watched = watch(listeners, |one| engine.listener(one))?;
            engine.run(run_core(engine.clone(), watched, settings));
        }
        "io_uring" => {
            let engine = IoUring::new()?;
            let watched = watch(listeners, |one| engine.listener(one))?;
            engine.run(run_core(engine.clone(), watched, settings));
        }
        other => return Err(format!("no engine {other}").into()),
    }
    Ok(())
}

/// The service with the replica that comes and goes, and without it, which is last.
struct Services {
    all: ServiceSpec,
    fewer: ServiceSpec,
}

impl Services {
    fn new(who: &str, upstreams: &[String]) -> Result<Self, Failure> {
        let mut all = ServiceSpec::named("web");
        for (name, ordinal) in upstreams.iter().zip(1..) {
            all.replicas.push(replica(name, ordinal, Some(name.parse()?)));
        }
        match who {
            "waiting" => all.replicas.push(replica("waiting", u32::MAX, None)),
            "serving" => {}
            other => return Err(format!("{other} is neither waiting nor serving").into()),
        }
        let mut fewer = all.clone();
        fewer.replicas.pop();
        Ok(Services { all, fewer })
    }

    fn with_all(&self) -> Vec<ServiceSpec> {
        vec![self.all.clone()]
    }

    fn of(&self, generation: u64) -> Vec<ServiceSpec> {
        if generation.is_multiple_of(2) { vec![self.fewer.clone()] } else { self.with_all() }
    }
}

fn replica(name: &str, ordinal: u32, address: Option<SocketAddr>) -> ReplicaSpec {
    ReplicaSpec { name: name.into(), ordinal, incarnation: 1, address, weight: 1 }
}

/// Publishes at even moments, for good; what is late is made up for.
fn publish(mut published: Published, services: &Services, per_second: u32) {
    if per_second == 0 {
        return;
    }
    let (interval, begun) = (Duration::from_secs(1) / per_second, Instant::now());
    let (mut due, mut report_due, mut count) = (begun, begun + REPORT_INTERVAL, 0u64);
    loop {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due += interval;
        let newest = published.current();
        match Snapshot::build(services.of(newest.generation + 1), Some(&newest)) {
            Ok(next) => _ = published.publish(next),
            Err(error) => return eprintln!("swaps: {error}"),
        }
        count += 1;
        if Instant::now() >= report_due {
            report_due += REPORT_INTERVAL;
            println!("PUBLISHED {count} SECONDS {:.3}", begun.elapsed().as_secs_f64());
        }
    }
}
