//! The way out: unrouted, drained, asked, killed.

use std::time::Duration;

use super::world::{World, add, owned, remove, supervised};
use crate::control::call::CallError;
use crate::control::machine::event::{Action, Event};
use crate::control::view::ReplicaState;
use crate::provider::Ending;

fn serving(drain_ms: u64, stop_ms: u64) -> World {
    let mut world = World::new(vec![supervised("web", 2, |rule| {
        rule.drain = Duration::from_millis(drain_ms);
        rule.stop_timeout = Duration::from_millis(stop_ms);
    })]);
    world.pass(1_000);
    world.history.clear();
    world
}

#[test]
fn a_removed_replica_is_unrouted_drained_and_asked_in_this_order() {
    let mut world = serving(5_000, 1_000);
    let id = world.id("Server-1");
    world.holds = |action| matches!(action, Action::AwaitIdle { .. });
    world.call(remove(1, &["Server-1"]));
    let wanted = world.wanted();
    let at = |wanted_action: Action| {
        wanted
            .iter()
            .position(|action| *action == wanted_action)
            .unwrap_or_else(|| panic!("{wanted_action:?}"))
    };
    let persist = wanted.iter().position(|action| matches!(action, Action::Persist { .. })).unwrap();
    let order =
        [persist, at(Action::SetHealth { id, up: false }), at(Action::Publish), at(Action::AwaitIdle { id })];
    assert!(order.is_sorted(), "{wanted:#?}");
    assert_eq!(world.member("Server-1"), None);
    assert_eq!(world.replica("Server-1").state, ReplicaState::Draining);
    world.pass(4_000);
    assert!(world.endings(id).is_empty(), "something is still under way on it");
    world.release();
    assert_eq!(world.endings(id), [(5_000, Ending::Ask)]);
    assert_eq!(world.names(), ["Server-2"]);
    assert!(world.disk.services["web"].instances.iter().all(|instance| instance.id != id));
}

#[test]
fn the_drain_is_bounded_and_who_does_not_heed_is_killed_until_it_is_gone() {
    let mut world = serving(500, 300);
    let id = world.id("Server-1");
    world.holds = |action| matches!(action, Action::AwaitIdle { .. } | Action::End { .. });
    world.call(remove(1, &["Server-1"]));
    world.pass(3_500);
    let kills = [1_800, 2_800, 3_800].map(|at| (at, Ending::Kill));
    assert_eq!(world.endings(id), [&[(1_500, Ending::Ask)][..], &kills].concat());
    assert_eq!(world.replica("Server-1").state, ReplicaState::Stopping);
    assert!(!world.replica("Server-1").member);
    world.tell(Event::Idle { id });
    assert_eq!(world.endings(id).len(), 4, "a stop goes forward only");
    world.release();
    assert_eq!(world.names(), ["Server-2"]);
}

#[test]
fn a_name_is_free_when_its_instance_is_gone() {
    let mut world = serving(500, 300);
    world.holds = |action| matches!(action, Action::AwaitIdle { .. });
    world.call(remove(1, &["Server-1"]));
    let early = world.call(add(1, &["Server-1"]));
    let exists = CallError::Exists("Server-1".parse().unwrap());
    assert_eq!(world.answer(early), Some(&Err(exists)));
    world.release();
    let late = world.call(add(1, &["Server-1"]));
    assert!(world.answer(late).unwrap().is_ok());
    world.pass(10);
    assert_eq!(world.names(), ["Server-2", "Server-1"]);
    assert_eq!(world.replica("Server-1").ordinal, 1, "the number is free again");
}

#[test]
fn a_replica_that_does_not_serve_yet_is_ended_wherever_it_is() {
    type Held = fn(&Action) -> bool;
    let cases: [(&str, Held, bool); 3] = [
        ("its intent is being made", |action| matches!(action, Action::Prepare { .. }), false),
        ("its start was ordered", |action| matches!(action, Action::Start(_)), true),
        ("it has not answered", |action| matches!(action, Action::Heartbeat { .. }), true),
    ];
    for (name, holds, runs) in cases {
        let mut world = serving(500, 300);
        world.holds = holds;
        let call = world.call(add(1, &["new"]));
        assert!(world.answer(call).unwrap().is_ok(), "{name}");
        let id = world.id("new");
        let call = world.call(remove(1, &["new"]));
        assert!(world.answer(call).unwrap().is_ok(), "{name}");
        world.release();
        world.pass(100);
        assert_eq!(world.names(), ["Server-1", "Server-2"], "{name}");
        assert_eq!(world.endings(id).len(), usize::from(runs), "{name}");
        assert_eq!(world.discarded.len(), usize::from(!runs), "{name}: the intent is given back");
        assert_eq!(world.disk.services["web"].instances.len(), 2, "{name}");
    }
}

#[test]
fn one_that_waits_for_its_next_start_is_gone_at_once() {
    let mut world = World::new(vec![owned("web", 2)]);
    world.pass(10);
    world.crash(world.id("Server-1"));
    world.pass(10);
    world.crash(world.id("Server-1"));
    assert_eq!(world.replica("Server-1").state, ReplicaState::Waiting);
    world.call(remove(1, &["Server-1"]));
    assert_eq!(world.names(), ["Server-2"]);
    world.pass(60_000);
    assert_eq!(world.names(), ["Server-2"]);
}

#[test]
fn one_that_dies_while_it_drains_is_gone() {
    let mut world = serving(5_000, 300);
    world.holds = |action| matches!(action, Action::AwaitIdle { .. });
    let id = world.id("Server-1");
    world.call(remove(1, &["Server-1"]));
    world.crash(id);
    assert_eq!(world.names(), ["Server-2"]);
    world.pass(10_000);
    assert!(world.endings(id).is_empty());
}

#[test]
fn a_removal_that_is_stored_together_with_an_intent_is_first() {
    let mut world = serving(500, 300);
    world.holds = |action| matches!(action, Action::Prepare { .. });
    world.call(add(1, &["new"]));
    world.holds = |action| matches!(action, Action::Persist { .. });
    world.crash(world.id("Server-1"));
    let mut held = std::mem::take(&mut world.held).into_iter();
    let (prepare, persist) = (held.next().unwrap(), held.next().unwrap());
    assert!(matches!(prepare, Action::Prepare { .. }) && matches!(persist, Action::Persist { .. }));
    world.perform(prepare);
    world.call(remove(1, &["new"]));
    world.perform(persist);
    world.release();
    world.pass(10);
    assert_eq!(
        (world.discarded.len(), world.names()),
        (1, vec!["Server-1".to_owned(), "Server-2".to_owned()])
    );
    assert!(world.running.values().all(|instance| instance.name.as_str() != "new"));
}
