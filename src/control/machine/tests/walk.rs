//! Many runs of chance: whatever provider, disk, replicas and operators do in whatever order, some things hold.

use std::collections::BTreeMap;

use super::world::{World, add, ended, owned, remove, supervised};
use crate::base::random::Random;
use crate::control::durable::DurableState;
use crate::control::machine::event::{Action, Event};
use crate::control::view::ReplicaState;
use crate::placement::ObservationKind;
use crate::provider::InstanceId;

/// One step of chance. What the machine wants is held, and done at random later: `World` checks each start.
fn step(world: &mut World, random: &mut Random) {
    let ids: Vec<InstanceId> = world.running.keys().copied().collect();
    let any = |random: &mut Random| ids.get(random.below(ids.len() as u64) as usize).copied();
    match random.below(16) {
        0 => {
            if let Some(id) = any(random) {
                world.running.remove(&id);
                world.held.retain(|action| !matches!(action, Action::End { id: told, .. } if *told == id));
                world.tell(ended(id, "killed by SIGKILL"));
            }
        }
        1 => {
            if let Some(id) = any(random) {
                let serves = random.chance(0.7);
                world.serving.insert(id, serves);
            }
        }
        2 => {
            let n = 1 + random.below(3) as i64;
            let names: &[&str] = if random.chance(0.5) { &["a"] } else { &[] };
            let call = if random.chance(0.5) { add(n, names) } else { remove(n, names) };
            world.call(call);
        }
        3 => world.disk_fault = random.chance(0.3).then_some("no space left"),
        4 => world.healthy = random.chance(0.8),
        5 => world.heedful = random.chance(0.8),
        6 => {
            if let Some(id) = any(random) {
                let kinds = [ObservationKind::Unreachable, ObservationKind::ClosedEarly];
                world.tell(Event::Observed { id, kind: kinds[random.below(2) as usize] });
            }
        }
        7..10 => world.pass(random.below(3_000)),
        _ => {
            if !world.held.is_empty() {
                let index = random.below(world.held.len() as u64) as usize;
                let action = world.held.remove(index);
                world.perform(action);
                world.settle();
            }
        }
    }
}

/// All faults end: the disk works, replicas are healthy, and everybody does what is asked.
fn recover(world: &mut World) {
    world.disk_fault = None;
    world.healthy = true;
    world.heedful = true;
    for serves in world.serving.values_mut() {
        *serves = true;
    }
    world.release();
    world.pass(300_000);
}

fn check_converged(world: &World, seed: u64) {
    let replicas = world.replicas("web");
    assert!(
        replicas.iter().all(|one| one.state == ReplicaState::Active && one.member),
        "{seed}: {replicas:#?}"
    );
    assert_eq!(replicas.len(), world.running.len(), "{seed}");
    assert_eq!(world.disk, world.machine.durable(), "{seed}");
    let stored = &world.disk.services["web"];
    let listed: BTreeMap<_, _> = stored.instances.iter().map(|one| (one.id, &one.name)).collect();
    let running: BTreeMap<_, _> = world.running.iter().map(|(id, one)| (*id, &one.name)).collect();
    assert_eq!(listed, running, "{seed}");
    let published = &world.machine.members()[0].replicas;
    assert!(published.iter().all(|one| one.address.is_some()), "{seed}");
    let names: Vec<&str> = replicas.iter().map(|one| &*one.name).collect();
    assert!(stored.members.iter().map(|one| one.name.as_str()).eq(names), "{seed}: {stored:?}");
    let unanswered = world.count(|action| matches!(action, Action::Answer { .. })) - world.answered.len();
    assert_eq!(unanswered, 0, "{seed}");
}

#[test]
fn chance_never_doubles_a_replica_and_all_is_well_when_the_faults_end() {
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let plan = supervised("web", 3, |rule| rule.stop_timeout = std::time::Duration::from_secs(1));
        let mut world = World::new(vec![plan]);
        // Heartbeats are answered at once, so that time can pass; everything else waits for its turn.
        world.holds = |action| {
            let at_once = matches!(
                action,
                Action::Heartbeat { .. }
                    | Action::Answer { .. }
                    | Action::Log(_)
                    | Action::Publish
                    | Action::SetHealth { .. }
            );
            !at_once
        };
        for _ in 0..200 {
            step(&mut world, &mut random);
        }
        recover(&mut world);
        check_converged(&world, seed);
    }
}

#[test]
fn a_process_that_is_killed_at_any_step_leaves_what_the_next_one_puts_in_order() {
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let mut world = World::new(vec![owned("web", 3)]);
        world.holds = |action| {
            matches!(
                action,
                Action::Persist { .. } | Action::Prepare { .. } | Action::Start(_) | Action::End { .. }
            )
        };
        for _ in 0..random.below(60) {
            step(&mut world, &mut random);
        }
        let mut next = World::after(vec![owned("web", 3)], world.disk, world.running);
        next.settle();
        recover(&mut next);
        check_converged(&next, seed);
    }
    let mut fresh = World::after(vec![owned("web", 3)], DurableState::default(), BTreeMap::new());
    recover(&mut fresh);
    check_converged(&fresh, 0);
}
