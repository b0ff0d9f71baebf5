//! Who is alive, who is not, and how many are replaced at once.

use std::time::Duration;

use super::world::{World, fixed, owned};
use crate::base::supervision::HeartbeatPolicy;
use crate::control::machine::event::{Action, Event, Probe};
use crate::control::view::ReplicaState;
use crate::placement::ObservationKind;
use crate::provider::{Ending, InstanceId};

/// `count` replicas that serve, none of which heeds signals or ends when it is killed until the test says so.
fn serving(count: usize) -> World {
    let mut world = World::new(vec![owned("web", count)]);
    world.pass(5_000);
    world.history.clear();
    world
}

fn silence(world: &mut World, id: InstanceId) {
    world.serving.insert(id, false);
}

fn beats(world: &World, of: InstanceId) -> Vec<u64> {
    let beat = |(at, action): &(u64, Action)| match action {
        Action::Heartbeat { id, .. } if *id == of => Some(*at),
        _ => None,
    };
    world.history.iter().filter_map(beat).collect()
}

fn health(world: &World, of: InstanceId) -> Vec<bool> {
    let set = |(_, action): &(u64, Action)| match action {
        Action::SetHealth { id, up } if *id == of => Some(*up),
        _ => None,
    };
    world.history.iter().filter_map(set).collect()
}

#[test]
fn heartbeats_come_at_intervals_and_not_all_at_once() {
    let mut world = serving(20);
    world.pass(3_000);
    let firsts: Vec<u64> =
        world.replicas("web").iter().map(|one| beats(&world, InstanceId(one.incarnation))[0]).collect();
    let distinct: std::collections::BTreeSet<&u64> = firsts.iter().collect();
    assert!(distinct.len() > 15, "{firsts:?}");
    let one = beats(&world, world.id("Server-1"));
    assert_eq!(one.len(), 3);
    assert!(one.windows(2).all(|pair| pair[1] - pair[0] == 1_000), "{one:?}");
}

#[test]
fn a_silent_replica_is_taken_out_after_three_misses_and_replaced_in_order() {
    let mut world = serving(3);
    let id = world.id("Server-2");
    silence(&mut world, id);
    world.heedful = false;
    world.holds = |action| matches!(action, Action::AwaitIdle { .. });
    let mut states = Vec::new();
    while world.id("Server-2") == id {
        world.pass(10);
        let state = world.replica("Server-2").state;
        if states.last() != Some(&state) {
            states.push(state);
        }
    }
    use ReplicaState::{Active, Draining, Starting, Stopping, Suspect};
    assert!(
        states == [Active, Suspect, Draining, Stopping, Starting]
            || states == [Active, Suspect, Draining, Stopping, Active],
        "{states:?}"
    );
    let missed = beats(&world, id);
    let [ask, kill] = world.endings(id)[..] else { panic!("{:?}", world.endings(id)) };
    assert_eq!(ask, (missed[2] + 100, Ending::Ask), "nothing is expected to finish on it");
    assert_eq!(kill, (missed[2] + 600, Ending::Kill));
    assert!(!health(&world, id).contains(&true));
    let failure = world.replica("Server-2").last_failure.unwrap();
    assert_eq!(failure.reason, "missed 3 heartbeats in a row: refused the connection");
}

#[test]
fn one_miss_or_two_are_forgiven() {
    let mut world = serving(1);
    let id = world.id("Server-1");
    for _ in 0..5 {
        silence(&mut world, id);
        world.pass(2_000);
        assert_eq!(world.replica("Server-1").state, ReplicaState::Suspect);
        assert_eq!(world.replica("Server-1").missed_heartbeats, 2);
        world.serving.insert(id, true);
        world.pass(1_000);
        assert_eq!(world.replica("Server-1").state, ReplicaState::Active);
    }
    assert!(health(&world, id).is_empty());
    assert!(world.log().is_empty(), "{:?}", world.log());
}

#[test]
fn overload_and_the_machines_own_slowness_are_no_death() {
    let mut overloaded = serving(1);
    let id = overloaded.id("Server-1");
    silence(&mut overloaded, id);
    for answers in 1..30 {
        overloaded.answers.insert(id, answers);
        overloaded.pass(1_000);
    }
    assert_eq!(overloaded.id("Server-1"), id, "it answers clients");
    overloaded.pass(4_000);
    assert_ne!(overloaded.id("Server-1"), id, "it does not any more");

    let mut slow = serving(1);
    let id = slow.id("Server-1");
    silence(&mut slow, id);
    slow.lag = Duration::from_millis(51);
    slow.pass(60_000);
    assert_eq!((slow.id("Server-1"), slow.replica("Server-1").missed_heartbeats), (id, 0));
    slow.lag = Duration::from_millis(50);
    slow.pass(4_000);
    assert_ne!(slow.id("Server-1"), id);
}

#[test]
fn an_observation_causes_a_heartbeat_at_once_and_never_more_than_ten_a_second() {
    let mut world = serving(1);
    let id = world.id("Server-1");
    world.pass(500);
    world.history.clear();
    world.holds = |action| matches!(action, Action::Heartbeat { .. });
    world.tell(Event::Observed { id, kind: ObservationKind::FirstByteTimedOut });
    assert_eq!(world.replica("Server-1").state, ReplicaState::Suspect);
    assert_eq!(beats(&world, id), [world.millis()]);
    world.release();
    assert_eq!(world.replica("Server-1").state, ReplicaState::Active, "it answered");
    for _ in 0..1_000 {
        world.tell(Event::Observed { id, kind: ObservationKind::BadAnswer });
        world.pass(1);
    }
    let beats = beats(&world, id);
    assert!((9..=12).contains(&beats.len()), "{beats:?}");
    assert!(beats.windows(2).all(|pair| pair[1] - pair[0] >= 100), "{beats:?}");
    assert!(health(&world, id).is_empty() && world.endings(id).is_empty());
}

#[test]
fn observations_do_not_kill_sooner_than_the_policy() {
    let mut world = serving(1);
    let id = world.id("Server-1");
    silence(&mut world, id);
    let begun = world.millis();
    while world.endings(id).is_empty() {
        world.tell(Event::Observed { id, kind: ObservationKind::Unreachable });
        world.tell(Event::Observed { id, kind: ObservationKind::ClosedEarly });
        world.pass(10);
    }
    let took = world.endings(id)[0].0 - begun;
    assert!((1_000..=3_100).contains(&took), "{took}");
}

#[test]
fn a_replica_that_a_core_could_not_reach_is_up_after_the_next_answer() {
    let mut world = serving(1);
    let id = world.id("Server-1");
    world.tell(Event::Observed { id, kind: ObservationKind::Unreachable });
    world.pass(100);
    assert_eq!(health(&world, id), [true]);
    world.history.clear();
    silence(&mut world, id);
    world.tell(Event::Observed { id, kind: ObservationKind::Unreachable });
    world.pass(200);
    assert_eq!(world.replica("Server-1").state, ReplicaState::Down);
    assert!(health(&world, id).is_empty());
    for _ in 0..5 {
        world.tell(Event::Observed { id, kind: ObservationKind::Unreachable });
    }
    world.serving.insert(id, true);
    world.pass(400);
    assert_eq!(health(&world, id), [true]);
    assert_eq!(world.replica("Server-1").state, ReplicaState::Active);
    assert_eq!(
        world.log(),
        ["Server-1: cannot be reached: refused the connection", "Server-1: answers again"]
    );
}

#[test]
fn of_many_silent_replicas_a_third_is_replaced_at_once() {
    for (count, at_once) in [(1, 1), (2, 1), (3, 1), (6, 2), (10, 3)] {
        let mut world = serving(count);
        for id in world.running.keys().copied().collect::<Vec<_>>() {
            silence(&mut world, id);
        }
        world.healthy = false;
        world.pass(6_000);
        let replaced = world.count(|action| matches!(action, Action::Start(_)));
        assert_eq!(replaced, at_once, "of {count}");
        let down = world.states().iter().filter(|&&state| state == ReplicaState::Down).count();
        assert_eq!(down, count - at_once, "of {count}: {:?}", world.states());
        assert_eq!(world.running.len(), count);
    }
}

#[test]
fn the_next_silent_replica_has_its_turn_when_the_one_before_serves() {
    let mut world = serving(3);
    for id in world.running.keys().copied().collect::<Vec<_>>() {
        silence(&mut world, id);
    }
    world.pass(10_000);
    assert_eq!(world.states(), [ReplicaState::Active; 3]);
    assert_eq!(world.count(|action| matches!(action, Action::Start(_))), 3);
}

#[test]
fn a_silent_replica_that_answers_before_its_turn_is_up_again() {
    let mut world = serving(3);
    let ids: Vec<InstanceId> = world.running.keys().copied().collect();
    for &id in &ids {
        silence(&mut world, id);
    }
    world.healthy = false;
    world.pass(6_000);
    for &id in &ids {
        world.serving.insert(id, true);
    }
    world.pass(2_000);
    let kept = ids.iter().filter(|id| world.running.contains_key(id));
    for &id in kept.clone() {
        assert_eq!(health(&world, id), [false, true]);
    }
    assert_eq!(kept.count(), 2);
}

#[test]
fn those_that_exit_are_replaced_without_limit() {
    let mut world = serving(5);
    for id in world.running.keys().copied().collect::<Vec<_>>() {
        world.crash(id);
    }
    assert_eq!(world.states(), [ReplicaState::Active; 5]);
}

#[test]
fn a_static_replica_without_a_policy_is_looked_at_only_while_it_cannot_be_reached() {
    let mut world = World::new(vec![fixed("web", None)]);
    world.pass(60_000);
    let id = world.id("a");
    assert_eq!((beats(&world, id).len(), world.states()), (0, vec![ReplicaState::Active]));
    world.tell(Event::Observed { id, kind: ObservationKind::ConnectTimedOut });
    world.pass(1_000);
    assert_eq!((beats(&world, id).len(), world.states()), (0, vec![ReplicaState::Active]));
    silence(&mut world, id);
    let begun = world.millis();
    for _ in 0..100 {
        world.tell(Event::Observed { id, kind: ObservationKind::Unreachable });
        world.pass(100);
    }
    let pauses: Vec<u64> = beats(&world, id).iter().map(|at| at - begun).collect();
    assert_eq!(pauses, [100, 300, 700, 1_500, 2_500, 3_500, 4_500, 5_500, 6_500, 7_500, 8_500, 9_500]);
    assert_eq!(world.states(), [ReplicaState::Down]);
    assert!(world.history.iter().all(|(_, action)| match action {
        Action::Heartbeat { probe, timeout, .. } =>
            *probe == Probe::Connect && *timeout == Duration::from_secs(1),
        _ => true,
    }));
    world.serving.insert(id, true);
    world.pass(2_000);
    assert_eq!((health(&world, id), world.states()), (vec![true], vec![ReplicaState::Active]));
    world.history.clear();
    world.pass(60_000);
    assert!(world.history.is_empty());
}

#[test]
fn a_static_replica_with_a_policy_is_taken_out_and_asked_until_it_answers() {
    let mut world = World::new(vec![fixed("web", Some(HeartbeatPolicy::default()))]);
    world.pass(5_000);
    let id = world.id("a");
    silence(&mut world, id);
    world.pass(10_000);
    assert_eq!((health(&world, id), world.states()), (vec![false], vec![ReplicaState::Down]));
    assert!(world.endings(id).is_empty());
    world.serving.insert(id, true);
    world.pass(1_000);
    assert_eq!((health(&world, id), world.states()), (vec![false, true], vec![ReplicaState::Active]));
    assert_eq!(world.log(), ["a: does not answer heartbeats: refused the connection", "a: answers again"]);
}
