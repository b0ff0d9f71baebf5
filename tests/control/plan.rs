//! What one seed's run is made of.

use std::time::Duration;

use ringway::base::supervision::OnExit;
use ringway::control::call::{Call, Change};
use ringway::control::machine::plan::{ReplicasPlan, ServicePlan};
use ringway::engine::simulated::Random;
use ringway::placement::ObservationKind;

use crate::provider::Manners;
use crate::saboteur::Plant;
use crate::stage::{fixed, heartbeat, owned};
use crate::trouble::{Edit, Mood, Trouble, Whom};

/// Services whose names the troubles know.
const SERVICES: [&str; 2] = ["web", "api"];

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Nothing.
    Calm,
    /// Processes exit, do not start, fall silent.
    RudeProcesses,
    /// All replicas at once are slow or silent, and clients ask on.
    Masses,
    /// Ringway is killed and stopped again and again, and its configuration changes.
    Restarts,
    /// Operators call all the time.
    Calls,
    /// All of it.
    Everything,
}

impl Profile {
    /// In turn, with three of eight seeds on everything at once.
    fn of(seed: u64) -> Profile {
        use Profile::*;
        [Everything, RudeProcesses, Masses, Everything, Restarts, Calls, Everything, Calm]
            [(seed % 8) as usize]
    }

    fn has(self, part: Profile) -> bool {
        self == part || self == Profile::Everything
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) profile: Profile,
    pub(crate) file: Vec<ServicePlan>,
    pub(crate) manners: Manners,
    pub(crate) troubles: Vec<(Duration, Trouble)>,
    /// How long things go wrong.
    pub(crate) lasting: Duration,
    pub(crate) crash_chance: f64,
    pub(crate) slow_writes: f64,
    pub(crate) late_faults: f64,
    pub(crate) endless: f64,
    pub(crate) traffic: bool,
    pub(crate) plant: Option<Plant>,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn of(seed: u64) -> Plan {
        let profile = Profile::of(seed);
        let mut random = Random::new(seed ^ 0xC0_47A0);
        let lasting = Duration::from_millis(3_000 + random.below(7_000));
        let is_rude = profile.has(Profile::RudeProcesses);
        let manners = if is_rude { manners(&mut random) } else { Manners::default() };
        let count = match profile {
            Profile::Calm => 0,
            Profile::Masses => 1 + random.below(3),
            _ => 4 + random.below(16),
        };
        let troubles = (0..count)
            .map(|_| {
                (
                    Duration::from_micros(random.below(lasting.as_micros() as u64)),
                    trouble(profile, &mut random),
                )
            })
            .collect();
        let restarts = profile.has(Profile::Restarts);
        Plan {
            seed,
            profile,
            file: file(&mut random),
            manners,
            troubles,
            lasting,
            crash_chance: if restarts && random.chance(0.5) { 0.01 } else { 0.0 },
            slow_writes: if random.chance(0.3) { 0.2 } else { 0.0 },
            late_faults: if random.chance(0.5) { 0.5 } else { 0.0 },
            endless: if random.chance(0.5) { 0.02 } else { 0.0 },
            traffic: profile == Profile::Masses || random.chance(0.7),
            plant: None,
        }
    }
}

fn file(random: &mut Random) -> Vec<ServicePlan> {
    let mut file = vec![owned("web", 1 + random.below(5) as usize)];
    if random.chance(0.4) {
        file.push(owned("api", 1 + random.below(3) as usize));
    }
    if random.chance(0.3) {
        file.push(fixed("files", 2, random.chance(0.5).then(heartbeat)));
    }
    if random.chance(0.3) {
        for plan in &mut file {
            if let ReplicasPlan::Owned { supervision, .. } = &mut plan.replicas {
                supervision.on_exit = OnExit::Keep;
            }
        }
    }
    file
}

fn manners(random: &mut Random) -> Manners {
    // Each is off in some runs, so that none always hides what another would show.
    let mut share =
        |most: f64| if random.chance(0.5) { most * random.below(100) as f64 / 100.0 } else { 0.0 };
    Manners {
        no_port: share(0.2),
        impossible: share(0.3),
        short_lived: share(0.4),
        deaf: share(0.2),
        late: share(0.5),
        stubborn: share(0.6),
    }
}

fn trouble(profile: Profile, random: &mut Random) -> Trouble {
    use Profile::*;
    let parts = match profile {
        Everything => [RudeProcesses, Masses, Restarts, Calls, Calls][random.below(5) as usize],
        part => part,
    };
    match parts {
        RudeProcesses => rude(random),
        Masses => {
            let mood = [Mood::Overloaded, Mood::Silent, Mood::Erring][random.below(3) as usize];
            Trouble::Feel(Whom::All, mood, millis(random, 4_000))
        }
        Restarts => restart(random),
        Calls | Calm | Everything => match random.below(8) {
            0 => Trouble::DiskFull(millis(random, 800)),
            _ => Trouble::Call(call(random)),
        },
    }
}

fn millis(random: &mut Random, most: u64) -> Duration {
    Duration::from_millis(random.up_to(most))
}

fn rude(random: &mut Random) -> Trouble {
    let whom = Whom::One(random.next());
    let kinds = [
        ObservationKind::Unreachable,
        ObservationKind::ConnectTimedOut,
        ObservationKind::ClosedEarly,
        ObservationKind::FirstByteTimedOut,
        ObservationKind::BadAnswer,
    ];
    match random.below(10) {
        0..=2 => Trouble::Exit(whom),
        3 => Trouble::Feel(whom, Mood::Overloaded, millis(random, 3_000)),
        4 => Trouble::Feel(whom, Mood::Erring, millis(random, 3_000)),
        5 => Trouble::Feel(whom, Mood::Silent, millis(random, 3_000)),
        6 => Trouble::Exit(Whom::All),
        7 => Trouble::Lag(Duration::from_millis(500 + random.below(1_000)), millis(random, 2_500)),
        _ => Trouble::Observe(random.next(), kinds[random.below(5) as usize]),
    }
}

fn restart(random: &mut Random) -> Trouble {
    let service = SERVICES[random.below(2) as usize];
    match random.below(10) {
        0..=3 => Trouble::Crash(millis(random, 1_000)),
        4 => Trouble::Stop(millis(random, 1_000)),
        5 => Trouble::DiskFull(millis(random, 1_000)),
        6 => Trouble::Edit(Edit::Leave(service)),
        7 => Trouble::Edit(Edit::Return(service)),
        8 => Trouble::Edit(Edit::OnExit(if random.chance(0.5) { OnExit::Keep } else { OnExit::Stop })),
        _ => Trouble::Edit(Edit::Count(service, 1 + random.below(5) as usize)),
    }
}

/// A call, most of which make sense.
fn call(random: &mut Random) -> Call {
    let n = match random.below(12) {
        0 => -1 + random.below(2) as i64,
        1 => 1_000_000,
        _ => 1 + random.below(3) as i64,
    };
    let most = if random.chance(0.9) { n.clamp(0, 3) as u64 } else { 4 };
    let names: Vec<String> = (0..random.below(most + 1)).map(|_| name(random)).collect();
    let change = if random.chance(0.5) { Change::Add { n, names } } else { Change::Remove { n, names } };
    let service = match random.below(8) {
        0 => None,
        1 => Some("nobody".into()),
        2 => Some("files".into()),
        3 => Some("api".into()),
        _ => Some("web".into()),
    };
    Call { service, change, wait: random.chance(0.3) }
}

fn name(random: &mut Random) -> String {
    match random.below(12) {
        0 => "no name".to_owned(),
        1..=4 => format!("Server-{}", 1 + random.below(5)),
        _ => ["a", "b", "c", "d"][random.below(4) as usize].to_owned(),
    }
}
