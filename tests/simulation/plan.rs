//! What one seed's run is made of.

use std::time::Duration;

use ringway::base::algorithm::BoundedLoad;
use ringway::base::key_source::KeySource;
use ringway::base::policy::{ClientLimits, PoolLimits, RetryPolicy, Timeouts};
use ringway::engine::simulated::{Faults, Random};
use ringway::placement::ServiceSpec;

use crate::backend::Manners;
use crate::client::{Fault, Order, Script};
use crate::saboteur::Plant;
use crate::stage::service;

/// What goes wrong in a run, and so what can be asserted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Nothing: every request gets its answer.
    Calm,
    /// Backends misbehave; network and clients do not: every count is exact.
    RudeBackends,
    /// The network delays, splits, resets; nothing ends early without showing it.
    RoughNetwork,
    /// The network also ends streams as if their senders had.
    CuttingNetwork,
    /// Backends are killed, stopped and cut off; replicas come and go.
    Chaos,
    /// All of it, and clients that misbehave.
    Everything,
}

impl Profile {
    /// In turn, with half of the seeds on everything at once.
    fn of(seed: u64) -> Profile {
        use Profile::*;
        [Everything, RudeBackends, RoughNetwork, Everything, CuttingNetwork, Chaos, Everything, Calm]
            [(seed % 8) as usize]
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) profile: Profile,
    pub(crate) faults: Faults,
    pub(crate) manners: Manners,
    pub(crate) replicas: usize,
    pub(crate) scripts: Vec<(Duration, Script)>,
    /// The drain begins then, whether the clients are done or not.
    pub(crate) drain_after: Option<Duration>,
    pub(crate) plant: Option<Plant>,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn of(seed: u64) -> Plan {
        let profile = Profile::of(seed);
        let mut random = Random::new(seed ^ 0x5EED);
        let faults = faults_of(profile, &mut random);
        let misbehave = match profile {
            Profile::RudeBackends => 0.4,
            Profile::Everything => 0.15,
            _ => 0.0,
        };
        let late = Duration::from_micros(random.up_to(20_000));
        let manners = Manners { misbehave, late, length_max: 100_000 };
        let scripts = (0..random.up_to(8))
            .map(|client| script(&mut random, client, profile, faults.cut > 0.0))
            .collect();
        let drains_early = matches!(profile, Profile::Everything | Profile::Chaos) && random.chance(0.2);
        Plan {
            seed,
            profile,
            faults,
            manners,
            replicas: random.up_to(4) as usize,
            scripts,
            drain_after: drains_early.then(|| Duration::from_millis(random.up_to(150))),
            plant: None,
        }
    }

    /// The service as it is at first.
    pub(crate) fn service(&self) -> ServiceSpec {
        let keys: Box<[KeySource]> = match self.seed % 5 {
            0 => Box::new([KeySource::Json("id".into()), KeySource::Path]),
            1 => Box::new([KeySource::Json("none".into()), KeySource::Json("id".into()), KeySource::Random]),
            _ => Box::new([KeySource::Path]),
        };
        let bounded_load = self
            .seed
            .is_multiple_of(2)
            .then_some(BoundedLoad { factor_thousandths: 1_000 + self.seed as u32 % 500 });
        let tight = self.seed.is_multiple_of(3) && self.profile == Profile::Everything;
        let connections_max = if tight { 1 } else { 64 };
        ServiceSpec {
            timeouts: Timeouts {
                connect: Duration::from_millis(200),
                first_byte: Duration::from_millis(600),
                between_bytes: Duration::from_millis(400),
                queue: Duration::from_millis(if tight { 40 } else { 500 }),
                tunnel: Duration::from_secs(5),
            },
            pool: PoolLimits {
                connections_max: connections_max.try_into().expect("not zero"),
                queue_max: if tight { 2 } else { 64 },
                idle_max: connections_max,
                idle: Duration::from_millis(700),
            },
            retries: RetryPolicy { budget_burst: if tight { 0 } else { 10 }, ..RetryPolicy::default() },
            keys,
            bounded_load,
            ..service(self.replicas)
        }
    }

    /// What clients are allowed.
    pub(crate) fn client_limits(&self) -> ClientLimits {
        ClientLimits {
            header: Duration::from_secs(2),
            keep_alive: Duration::from_secs(3),
            body: Duration::from_secs(1),
            write: Duration::from_secs(2),
            ..ClientLimits::default()
        }
    }

    /// Whether the set of replicas, and the backends themselves, change meanwhile.
    pub(crate) fn has_chaos(&self) -> bool {
        matches!(self.profile, Profile::Chaos | Profile::Everything)
    }
}

fn faults_of(profile: Profile, random: &mut Random) -> Faults {
    let quiet = Faults { latency: Duration::from_micros(random.up_to(300)), ..Faults::default() };
    if matches!(profile, Profile::Calm | Profile::RudeBackends | Profile::Chaos) {
        return quiet;
    }
    // Each fault is off in some runs, so that none always hides what another would show.
    let mut share =
        |most: f64| if random.chance(0.6) { most * random.below(100) as f64 / 100.0 } else { 0.0 };
    let cut = if profile == Profile::RoughNetwork { 0.0 } else { share(0.01) };
    let faults = Faults {
        delay: share(0.3),
        short_read: share(0.5),
        short_write: share(0.3),
        reset: share(0.01),
        cut,
        connect_delay: share(0.3),
        connect_refused: share(0.1),
        connect_silent: share(0.05),
        accept_exhausted: share(0.1),
        slow: share(0.1),
        drip_bytes_max: 256,
        ..quiet
    };
    let capacity_bytes = if random.chance(0.4) { random.up_to(8_000) as usize + 500 } else { 128 * 1024 };
    Faults { capacity_bytes, ..faults }
}

fn script(random: &mut Random, client: u64, profile: Profile, cuts: bool) -> (Duration, Script) {
    // An answer that lasts until the close ends an HTTP/1.0 connection before its next request.
    let minor = u8::from(!random.chance(0.15) || profile == Profile::Calm);
    let count = random.up_to(5);
    let mut orders: Vec<Order> =
        (0..count).map(|number| order(random, client << 16 | (number + 1), minor)).collect();
    if random.chance(0.3) || minor == 0 && random.chance(0.6) {
        orders[count as usize - 1].closes = true;
    }
    let fault = if profile == Profile::Everything && random.chance(0.3) { Some(fault(random)) } else { None };
    let piece = match random.below(4) {
        0 => (random.up_to(3_000) as usize + 50, Duration::from_micros(random.up_to(2_000))),
        _ => (32 * 1024, Duration::ZERO),
    };
    let (pipelined, lingers) = (minor == 1 && random.chance(0.3), random.chance(0.2));
    let begins = Duration::from_micros(random.below(100_000));
    let unrouted = matches!(profile, Profile::Chaos | Profile::Everything);
    (begins, Script { minor, orders, pipelined, piece, fault, lingers, cuts, unrouted })
}

fn order(random: &mut Random, token: u64, minor: u8) -> Order {
    let method = ["GET", "GET", "GET", "HEAD", "PUT", "PUT", "POST", "POST", "POST", "DELETE"];
    let method = method[random.below(10) as usize];
    let has_body = matches!(method, "PUT" | "POST") || random.chance(0.1);
    let most = [0, 10, 3_000, 100_000][random.below(4) as usize];
    let length = has_body.then(|| random.below(most + 1) as usize);
    let chunk = (minor == 1 && random.chance(0.4)).then(|| random.up_to(9_000) as usize);
    let expects = minor == 1 && has_body && random.chance(0.1);
    Order { token, method, length, chunk: chunk.filter(|_| has_body), expects, closes: false }
}

fn fault(random: &mut Random) -> Fault {
    let at = if random.chance(0.5) { random.up_to(400) } else { random.up_to(100_000) } as usize;
    match random.below(5) {
        0 => Fault::Reset(at),
        1 => Fault::End(at),
        2 => Fault::Stall(at),
        3 => Fault::Malformed,
        _ => Fault::Deaf,
    }
}
