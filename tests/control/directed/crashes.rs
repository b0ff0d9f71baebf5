//! Ringway is killed at each step of what it does: nothing is orphaned, nothing there twice, nothing forgotten.

use std::time::Duration;

use ringway::control::machine::event::Action;
use ringway::control::view::ReplicaState;

use super::scene::{add, ask, begin, end, kill, living, millis, process, remove, restart, state, world};
use crate::operator::members;
use crate::stage::owned;
use crate::trouble::Birth;
use crate::world::{Stage, World};

fn crash_before(world: &mut World, is_it: impl FnMut(&Action) -> bool + 'static) {
    world.crash_before = Some(Box::new(is_it));
    let crashed = world.run_until(millis(5_000), |world| world.stage == Stage::Down);
    assert!(crashed.is_some(), "it does not come to that\n{}", world.ledger.last_lines());
    world.crash_before = None;
    begin(world);
}

#[test]
fn a_crash_between_the_intent_and_the_start_starts_one() {
    let mut world = world(vec![owned("web", 3)]);
    let starts = world.log.starts.len();
    kill(&mut world, "Server-1");
    crash_before(&mut world, |action| matches!(action, Action::Start(_)));
    assert_eq!(living(&world, "web").len(), 2);
    let world = end(world);
    assert_eq!(world.log.starts.len(), starts + 1);
}

#[test]
fn a_crash_between_the_start_and_its_record_finds_the_process_by_its_nonce() {
    let mut world = world(vec![owned("web", 3)]);
    kill(&mut world, "Server-1");
    let is_back = |world: &World| process(world, "Server-1").is_some();
    assert!(world.run_until(millis(1_000), is_back).is_some());
    let (before, starts) = (living(&world, "web"), world.log.starts.len());
    let held = &world.disk.held().services["web"];
    assert!(held.instances.iter().any(|instance| instance.record.is_none()), "it is not recorded yet");
    restart(&mut world);
    let world = end(world);
    assert_eq!(living(&world, "web"), before, "nobody was replaced");
    assert_eq!(world.log.starts.len(), starts);
    assert_eq!(world.ledger.reached.get("adopted by nonce"), Some(&1));
}

#[test]
fn a_crash_while_nothing_happens_takes_all_over() {
    let mut world = world(vec![owned("web", 3), owned("api", 2)]);
    let (web, api, starts) = (living(&world, "web"), living(&world, "api"), world.log.starts.len());
    restart(&mut world);
    let world = end(world);
    assert_eq!((living(&world, "web"), living(&world, "api")), (web, api));
    assert_eq!(world.log.starts.len(), starts);
    assert_eq!(world.ledger.reached.get("adopted by record"), Some(&5));
}

#[test]
fn replicas_that_died_while_ringway_was_away_are_started_again() {
    let mut world = world(vec![owned("web", 3)]);
    world.crash(millis(500));
    kill(&mut world, "Server-2");
    begin(&mut world);
    assert_eq!(living(&world, "web").len(), 2);
    end(world);
}

#[test]
fn a_crash_before_each_action_of_an_add_leaves_all_of_it_or_nothing() {
    let mut outcomes = [0, 0];
    for step in 0..40 {
        let mut world = world(vec![owned("web", 2)]);
        let mut left = step;
        world.crash_before = Some(Box::new(move |_| {
            left -= 1;
            left < 0
        }));
        let id = ask(&mut world, add(&["a", "b"]), false);
        assert!(world.run_until(millis(5_000), |world| world.stage == Stage::Down).is_some(), "step {step}");
        let was_answered = world.log.answers.contains_key(&id);
        world.crash_before = None;
        begin(&mut world);
        let world = end(world);
        let is_made = match &*members(world.disk.held(), "web") {
            [_, _] => false,
            [_, _, third, fourth] => third == "a" && fourth == "b",
            other => panic!("step {step}: {other:?}"),
        };
        assert!(is_made || !was_answered, "step {step}: what was acknowledged is gone");
        outcomes[usize::from(is_made)] += 1;
    }
    assert!(outcomes[0] >= 1 && outcomes[1] >= 30, "{outcomes:?}");
}

#[test]
fn a_crash_while_a_removed_replica_stops_ends_it_later() {
    let mut world = world(vec![owned("web", 3)]);
    let pid = process(&world, "Server-3").unwrap().0.pid;
    world.provider.stop_obeying(pid);
    ask(&mut world, remove(&["Server-3"]), false);
    let is_asked = |world: &World| !world.log.ends.is_empty();
    assert!(world.run_until(millis(5_000), is_asked).is_some());
    restart(&mut world);
    assert!(process(&world, "Server-3").is_some(), "it did not listen");
    let world = end(world);
    assert_eq!(members(world.disk.held(), "web"), ["Server-1", "Server-2"]);
}

#[test]
fn a_crash_of_ringway_while_a_start_hangs_does_not_start_a_second() {
    let mut world = world(vec![owned("web", 1)]);
    world.provider.always.insert("web".into(), Birth::Deaf);
    kill(&mut world, "Server-1");
    for _ in 0..5 {
        world.run(millis(400));
        assert!(living(&world, "web").len() <= 1);
        restart(&mut world);
    }
    assert_eq!(state(&world, "Server-1"), Some(ReplicaState::Starting));
    world.provider.always.clear();
    world.run(Duration::from_secs(1));
    end(world);
}
