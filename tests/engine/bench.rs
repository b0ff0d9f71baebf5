//! What a case runs on: an engine and the means to set the scene.

use std::any::Any;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ringway::engine::simulated::{Faults, Network, Simulated};
use ringway::engine::{Engine, IoError, within};
use socket2::{Domain, Socket, Type};

/// What no case may exceed: real time on the kernel, virtual time in the simulation.
const CASE_TIME_MAX: Duration = Duration::from_secs(60);
/// The seed of the suite on the simulated engine; `simulation.rs` tries many.
const SEED: u64 = 42;

/// An address whose state lasts as long as this.
pub(crate) struct Scene {
    pub address: SocketAddr,
    _kept: Box<dyn Any>,
}

/// Makes engines, and the scenes that cases ask for.
pub(crate) trait Bench: Sized + 'static {
    type Engine: Engine;

    /// A new engine, unless this machine has none of the kind.
    fn start() -> io::Result<Self>;
    fn engine(&self) -> Self::Engine;
    /// Listens on a free port of the loopback.
    fn listen(&self) -> <Self::Engine as Engine>::Listener;
    fn run<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> T;
    /// An address that refuses connections.
    fn refusing(&self) -> Scene;
    /// An address that does not answer connections.
    fn silent(&self) -> Scene;
    /// How many sockets there are that are connected, or being connected, to `address`.
    fn sockets_to(&self, address: SocketAddr) -> usize;
    /// The network, where it is a simulated one.
    fn network(&self) -> Option<Network>;
}

/// Runs a case and checks that it leaves nothing behind.
pub(crate) fn check<B: Bench, F: Future<Output = ()> + 'static>(case: fn(Rc<B>) -> F) {
    run(case);
}

/// As [`check`], and once more: the simulation must repeat itself.
pub(crate) fn check_twice<B: Bench, F: Future<Output = ()> + 'static>(case: fn(Rc<B>) -> F) {
    assert_eq!(run(case), run(case), "the same seed gave two different runs");
}

fn run<B: Bench, F: Future<Output = ()> + 'static>(case: fn(Rc<B>) -> F) -> Option<u64> {
    let bench = match B::start() {
        Ok(bench) => Rc::new(bench),
        Err(error) => {
            eprintln!("skipped, this machine has no such engine: {error}");
            return None;
        }
    };
    let handle = bench.engine().handle().clone();
    bench.run(bounded(bench.engine(), case(bench.clone())));
    let engine = bench.engine();
    bench.run(async move {
        until(&engine, || engine.handle().buffers().outstanding() == 0).await;
    });
    assert_eq!(handle.tasks(), 0);
    let network = bench.network()?;
    assert_eq!(network.open_sockets(), 0, "sockets are left; last events:\n{}", network.trace());
    Some(network.digest())
}

/// Fails if `case` takes longer than any may.
async fn bounded<E: Engine>(engine: E, case: impl Future<Output = ()>) {
    let mut case = Box::pin(case);
    let mut timer = engine.handle().timer();
    let deadline = engine.handle().now() + CASE_TIME_MAX;
    let ended = within(&mut timer, deadline, |context| case.as_mut().poll(context)).await;
    assert_eq!(ended, Ok(()), "the case does not end");
}

/// Looks at `condition` until it holds: for what engines do not report as an event.
pub(crate) async fn until<E: Engine>(engine: &E, mut condition: impl FnMut() -> bool) {
    let mut timer = engine.handle().timer();
    let end = engine.handle().now() + Duration::from_secs(10);
    while !condition() {
        assert!(engine.handle().now() < end, "what was waited for never came");
        timer.sleep_until(engine.handle().now() + Duration::from_micros(100)).await;
    }
}

/// The loopback, with a port to be chosen.
pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// Defines a bench on an engine of the kernel.
macro_rules! kernel_bench {
    ($name:ident, $engine:ty) => {
        struct $name($engine);

        impl bench::Bench for $name {
            type Engine = $engine;

            fn start() -> std::io::Result<Self> {
                Ok($name(<$engine>::new()?))
            }

            fn engine(&self) -> $engine {
                self.0.clone()
            }

            fn listen(&self) -> <$engine as ringway::engine::Engine>::Listener {
                let socket = ringway::engine::socket::listen(bench::loopback(), 1).unwrap().remove(0);
                self.0.listener(socket).unwrap()
            }

            fn run<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> T {
                self.0.run(main)
            }

            fn refusing(&self) -> bench::Scene {
                bench::bound_only()
            }

            fn silent(&self) -> bench::Scene {
                bench::full_backlog()
            }

            fn sockets_to(&self, address: std::net::SocketAddr) -> usize {
                bench::kernel_sockets_to(address)
            }

            fn network(&self) -> Option<ringway::engine::simulated::Network> {
                None
            }
        }
    };
}
pub(crate) use kernel_bench;

/// A port that is taken, so that no other test gets it, and on which nobody listens.
pub(crate) fn bound_only() -> Scene {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&loopback().into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    Scene { address, _kept: Box::new(socket) }
}

/// A listener that nobody accepts from and whose queue is full: the kernel drops what else comes.
pub(crate) fn full_backlog() -> Scene {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&loopback().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut kept = vec![socket];
    for _ in 0..4 {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        filler.set_nonblocking(true).unwrap();
        let _ = filler.connect(&address.into());
        kept.push(filler);
    }
    Scene { address, _kept: Box::new(kept) }
}

/// The descriptors of this process that are sockets to `address`. Counting these instead of all leaves out what
/// tests on other threads do.
pub(crate) fn kernel_sockets_to(address: SocketAddr) -> usize {
    let SocketAddr::V4(address) = address else { panic!("the tests use IPv4") };
    let remote = format!("{:08X}:{:04X}", u32::from_le_bytes(address.ip().octets()), address.port());
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let sockets: Vec<String> = lines
        .filter(|fields| fields.get(2) == Some(&&remote[..]))
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| sockets.iter().any(|socket| target == Path::new(socket))).count()
}

/// The simulated engine without faults.
pub(crate) struct Calm(Simulated);

/// The simulated engine with all the faults that lose nothing: small buffers, delays, short reads and writes.
pub(crate) struct Adverse(Simulated);

macro_rules! simulated_bench {
    ($name:ident, $faults:expr) => {
        impl Bench for $name {
            type Engine = Simulated;

            fn start() -> io::Result<Self> {
                Ok($name(Simulated::new(SEED, $faults)))
            }

            fn engine(&self) -> Simulated {
                self.0.clone()
            }

            fn listen(&self) -> <Simulated as Engine>::Listener {
                self.0.listen(loopback()).unwrap()
            }

            fn run<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> T {
                self.0.run(main)
            }

            fn refusing(&self) -> Scene {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
                Scene { address, _kept: Box::new(()) }
            }

            fn silent(&self) -> Scene {
                let scene = self.refusing();
                self.0.network().silence(scene.address);
                scene
            }

            fn sockets_to(&self, address: SocketAddr) -> usize {
                self.0.network().attempts(address)
            }

            fn network(&self) -> Option<Network> {
                Some(self.0.network())
            }
        }
    };
}

simulated_bench!(Calm, Faults::default());
simulated_bench!(
    Adverse,
    Faults {
        capacity_bytes: 5000,
        delay_max: Duration::from_micros(300),
        delay: 0.2,
        short_read: 0.3,
        short_write: 0.2,
        connect_delay: 0.5,
        slow: 0.2,
        drip_interval: Duration::from_micros(2),
        drip_bytes_max: 700,
        ..Faults::default()
    }
);

/// The errors by which a write may learn of a reset.
pub(crate) fn is_broken(error: IoError) -> bool {
    matches!(error, IoError::Reset | IoError::Closed)
}
