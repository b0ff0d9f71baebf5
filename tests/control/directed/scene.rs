//! What directed scenarios are made of: a world in which nothing goes wrong but what the scenario says.

use std::collections::BTreeMap;
use std::time::Duration;

use ringway::control::call::{Call, CallAnswer, Change};
use ringway::control::machine::event::{CallId, Event};
use ringway::control::machine::plan::ServicePlan;
use ringway::control::view::{ReplicaState, ReplicaView};
use ringway::provider::{Ending, InstanceId};

use crate::provider::{Pid, Process};
use crate::run::settle;
use crate::world::{Stage, World};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A number of milliseconds.
pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A world in which Ringway runs, and all is as it should be.
pub(crate) fn world(file: Vec<ServicePlan>) -> World {
    let mut world = World::new(1, file, None);
    world.ledger.diary = Some(Vec::new());
    world.run(Duration::ZERO);
    settle(&mut world);
    assert_clean(&world);
    world
}

/// Nothing was broken so far.
pub(crate) fn assert_clean(world: &World) {
    let (violations, diary) = (&world.ledger.violations, world.ledger.last_lines());
    assert!(violations.is_empty(), "{violations:#?}\n{diary}");
}

/// All becomes as it should be, and nothing was broken.
pub(crate) fn end(mut world: World) -> World {
    settle(&mut world);
    assert_clean(&world);
    world
}

/// The processes of a service, by their replicas' names.
pub(crate) fn living(world: &World, service: &str) -> BTreeMap<String, Pid> {
    let its = world.provider.owned().filter(|(_, instance)| &*instance.service == service);
    its.map(|(process, instance)| (instance.name.to_string(), process.pid)).collect()
}

/// The process of a replica of "web".
pub(crate) fn process<'a>(world: &'a World, name: &str) -> Option<(&'a Process, InstanceId)> {
    let is_it = |instance: &ringway::provider::Instance| {
        &*instance.service == "web" && instance.name.as_str() == name
    };
    world.provider.owned().find(|(_, one)| is_it(one)).map(|(process, one)| (process, one.id))
}

/// What the operator sees of a replica of a service.
pub(crate) fn look(world: &World, service: &str, name: &str) -> Option<ReplicaView> {
    let view = world.machine.as_ref()?.view(world.now());
    let service = view.services.into_iter().find(|one| &*one.name == service)?;
    service.replicas.into_iter().find(|replica| &*replica.name == name)
}

/// The state that the operator sees of a replica of "web".
pub(crate) fn state(world: &World, name: &str) -> Option<ReplicaState> {
    look(world, "web", name).map(|replica| replica.state)
}

/// Lets a replica of "web" end by itself.
pub(crate) fn kill(world: &mut World, name: &str) {
    let pid = process(world, name).expect("it runs").0.pid;
    world.exit(pid, "killed by SIGKILL");
}

/// How long it takes until a replica of "web" is active as another instance than `before`.
pub(crate) fn time_to_active(world: &mut World, name: &str, before: InstanceId) -> Option<Duration> {
    world.run_until(PATIENCE, |world| {
        state(world, name) == Some(ReplicaState::Active)
            && process(world, name).is_some_and(|(_, id)| id != before)
    })
}

/// An operator's call about "web".
pub(crate) fn ask(world: &mut World, change: Change, wait: bool) -> CallId {
    let call = Call { service: Some("web".into()), change, wait };
    let id = world.operator.call(&call, &world.plans);
    world.tell(Event::Call { id, call, clock_ms: 123 });
    id
}

/// The answer to a call, when it is there.
pub(crate) fn answer(world: &mut World, id: CallId) -> CallAnswer {
    let answered = world.run_until(PATIENCE, |world| world.log.answers.contains_key(&id));
    assert!(answered.is_some(), "no answer\n{}", world.ledger.last_lines());
    world.log.answers[&id].clone()
}

/// Replicas to come: those of these names.
pub(crate) fn add(names: &[&str]) -> Change {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    Change::Add { n: names.len() as i64, names }
}

/// Replicas to go: those of these names.
pub(crate) fn remove(names: &[&str]) -> Change {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    Change::Remove { n: names.len() as i64, names }
}

/// The orders to end an instance, and when they came.
pub(crate) fn ends(world: &World, id: InstanceId) -> Vec<(Duration, Ending)> {
    let its = world.log.ends.iter().filter(|(_, one, _)| *one == id);
    its.map(|(moment, _, ending)| (moment.since(ringway::base::time::Moment::ORIGIN), *ending)).collect()
}

/// Ringway is killed and started again, and it runs.
pub(crate) fn restart(world: &mut World) {
    world.crash(Duration::ZERO);
    begin(world);
}

/// Waits until Ringway runs again.
pub(crate) fn begin(world: &mut World) {
    assert!(world.run_until(PATIENCE, |world| world.stage == Stage::Up).is_some());
}
