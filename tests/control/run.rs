//! One run: things go wrong for a while, then nothing does, and then all has to be as it should be.

use std::collections::BTreeMap;
use std::time::Duration;

use ringway::provider::Instance;

use crate::neglect::Neglect;
use crate::operator::members;
use crate::plan::Plan;
use crate::provider::{Manners, Pid};
use crate::settled::unsettled;
use crate::timeline::Happening;
use crate::trouble::Trouble;
use crate::world::{Stage, World};

/// How long it may take until all is as it should be: a start that is not noticed to fail before its time is up, twice,
/// pauses between, and what a wait of a call may take.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);
/// How long it then stays so.
const STAYS: Duration = Duration::from_secs(2);
/// An orderly stop takes less.
const STOPS_WITHIN: Duration = Duration::from_secs(10);
/// What cores saw while things went wrong is reported within this.
const ECHOES: Duration = Duration::from_secs(2);
/// Between looks.
const LOOK: Duration = Duration::from_millis(200);

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) violations: Vec<String>,
    pub(crate) reached: BTreeMap<&'static str, u64>,
    pub(crate) digest: u64,
    pub(crate) diary: String,
}

/// Runs a plan.
pub(crate) fn run(plan: Plan, with_diary: bool) -> Report {
    let mut world = World::new(plan.seed, plan.file, plan.plant);
    world.ledger.diary = with_diary.then(Vec::new);
    world.provider.manners = plan.manners;
    world.crash_chance = plan.crash_chance;
    world.disk.slow = plan.slow_writes;
    world.disk.late = plan.late_faults;
    world.cores.endless = plan.endless;
    world.traffic = plan.traffic;
    for (moment, trouble) in plan.troubles {
        world.timeline.after(moment, Happening::Trouble(trouble));
    }
    rage(&mut world, plan.lasting);
    calm(&mut world);
    settle(&mut world);
    stop(&mut world);
    Report {
        digest: world.ledger.digest(),
        diary: world.ledger.last_lines(),
        violations: world.ledger.violations,
        reached: world.ledger.reached,
    }
}

fn is_over(world: &World) -> bool {
    !world.ledger.violations.is_empty()
}

fn rage(world: &mut World, lasting: Duration) {
    let until = world.now() + lasting;
    let mut neglect = Neglect::default();
    while world.now() < until && !is_over(world) {
        world.run(LOOK);
        if let Some(what) = neglect.look(world) {
            world.accuse(what);
        }
    }
}

/// Nothing goes wrong any more.
pub(crate) fn calm(world: &mut World) {
    let now = world.now();
    world.ledger.note(now, || "CALM".to_owned());
    world.provider.manners = Manners::default();
    world.provider.recover_all(&mut world.timeline);
    world.crash_chance = 0.0;
    world.lag = Duration::ZERO;
    world.disk.fill_until(now);
    world.run(ECHOES);
}

/// All becomes as it should be, and stays so.
pub(crate) fn settle(world: &mut World) {
    if is_over(world) {
        return;
    }
    let began = world.now();
    loop {
        let fault = unsettled(world);
        match fault {
            None => break,
            Some(fault) if world.now().since(began) > SETTLES_WITHIN => {
                return world.accuse(format!("not settled: {fault}"));
            }
            Some(_) => world.run(LOOK),
        }
    }
    let until = world.now() + STAYS;
    while world.now() < until && !is_over(world) {
        world.run(LOOK);
        if let Some(fault) = unsettled(world) {
            return world.accuse(format!("it does not stay settled: {fault}"));
        }
    }
}

/// An orderly stop, and the start after it.
fn stop(world: &mut World) {
    if is_over(world) {
        return;
    }
    let before: Vec<Pid> = world.provider.owned().map(|(process, _)| process.pid).collect();
    world.timeline.after(Duration::ZERO, Happening::Trouble(Trouble::Stop(LOOK)));
    world.run(Duration::ZERO);
    if world.run_until(STOPS_WITHIN, |world| world.stage == Stage::Down).is_none() {
        return world.accuse("it does not stop");
    }
    let kept: Vec<(Pid, Instance)> =
        world.provider.owned().map(|(process, instance)| (process.pid, instance.clone())).collect();
    settle(world);
    let after: Vec<Pid> = world.provider.owned().map(|(process, _)| process.pid).collect();
    // An edit of the file takes effect now, too.
    let is_wanted = |instance: &Instance| {
        let is_in = world.plans.iter().any(|plan| plan.name == instance.service);
        is_in
            && members(world.disk.held(), &instance.service).iter().any(|name| name == instance.name.as_str())
    };
    let goes_on = |(pid, instance): &&(Pid, Instance)| after.contains(pid) == is_wanted(instance);
    if !is_over(world)
        && (!kept.iter().all(|(pid, _)| before.contains(pid)) || !kept.iter().all(|one| goes_on(&one)))
    {
        world.accuse(format!("of the processes {before:?}, {kept:?} were kept, and {after:?} go on"));
    }
}
