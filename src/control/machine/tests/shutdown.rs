//! The end of the program.

use std::time::Duration;

use super::world::{World, add, fixed, owned, supervised};
use crate::base::supervision::OnExit;
use crate::control::call::CallError;
use crate::control::machine::event::{Action, Event};
use crate::control::machine::plan::ServicePlan;
use crate::provider::Ending;

fn kept(count: usize) -> ServicePlan {
    supervised("web", count, |rule| rule.on_exit = OnExit::Keep)
}

fn finished(world: &World) -> usize {
    world.count(|action| matches!(action, Action::Finished))
}

#[test]
fn replicas_are_asked_at_once_and_killed_later_and_their_ends_are_stored() {
    let mut world = World::new(vec![supervised("web", 3, |rule| rule.stop_timeout = Duration::from_secs(2))]);
    world.pass(1_000);
    world.heedful = false;
    world.history.clear();
    world.tell(Event::Shutdown);
    let asked = world.count(|action| matches!(action, Action::End { ending: Ending::Ask, .. }));
    assert_eq!((asked, finished(&world)), (3, 0));
    assert_eq!(world.count(|action| matches!(action, Action::AwaitIdle { .. })), 0);
    world.pass(1_999);
    assert_eq!(world.running.len(), 3);
    world.pass(1);
    assert_eq!((world.running.len(), finished(&world)), (0, 1));
    assert!(matches!(world.history.last(), Some((_, Action::Finished))));
    let stored = &world.disk.services["web"];
    assert_eq!((stored.members.len(), stored.instances.len()), (3, 0), "the next process starts them again");
    world.pass(60_000);
    world.tell(Event::Shutdown);
    assert_eq!(finished(&world), 1);
}

#[test]
fn replicas_that_are_kept_go_on_and_the_next_process_takes_them_over() {
    let mut world = World::new(vec![kept(3)]);
    world.pass(1_000);
    world.tell(Event::Shutdown);
    assert_eq!((world.running.len(), finished(&world)), (3, 1));
    let ids: Vec<_> = world.running.keys().copied().collect();
    let mut next = World::after(vec![kept(3)], world.disk, world.running);
    next.pass(10);
    assert_eq!(next.running.keys().copied().collect::<Vec<_>>(), ids);
    assert_eq!(next.count(|action| matches!(action, Action::Start(_))), 0);
}

#[test]
fn a_start_that_was_ordered_is_waited_for() {
    for plan in [owned("web", 1), kept(1)] {
        let keeps = plan == kept(1);
        let mut world = World::new(vec![plan]);
        world.holds = |action| matches!(action, Action::Start(_));
        world.pass(10);
        world.tell(Event::Shutdown);
        assert_eq!(finished(&world), 0);
        world.release();
        assert_eq!((world.running.len(), finished(&world)), (usize::from(keeps), 1), "keeps: {keeps}");
        let listed = &world.disk.services["web"].instances;
        assert_eq!(listed.iter().filter(|one| one.record.is_some()).count(), usize::from(keeps));
    }
}

#[test]
fn nothing_is_started_any_more() {
    let mut world = World::new(vec![supervised("web", 3, |rule| rule.stop_timeout = Duration::from_secs(5))]);
    world.healthy = false;
    world.holds = |action| matches!(action, Action::Prepare { .. });
    world.pass(10);
    assert_eq!(world.held.len(), 3);
    world.tell(Event::Shutdown);
    assert_eq!(finished(&world), 1, "there was nothing to wait for");
    world.release();
    world.pass(60_000);
    assert_eq!(world.count(|action| matches!(action, Action::Start(_))), 0);
}

#[test]
fn one_that_dies_meanwhile_is_not_started_again() {
    let mut world = World::new(vec![kept(2)]);
    world.pass(1_000);
    world.holds = |action| matches!(action, Action::Persist { .. });
    world.call(add(1, &["a"]));
    world.tell(Event::Shutdown);
    world.crash(world.id("Server-1"));
    world.release();
    assert_eq!((world.running.len(), finished(&world)), (1, 1));
    let stored = &world.disk.services["web"];
    assert_eq!((stored.members.len(), stored.instances.len()), (3, 1));
}

#[test]
fn calls_are_refused_unless_they_are_on_their_way_to_the_disk() {
    let mut world = World::new(vec![owned("web", 1)]);
    world.pass(1_000);
    world.holds = |action| matches!(action, Action::Persist { .. });
    let calls = [add(1, &["a"]), add(1, &["b"])].map(|call| world.call(call));
    world.tell(Event::Shutdown);
    let late = world.call(add(1, &["c"]));
    assert_eq!(world.answer(calls[0]), None);
    for refused in [calls[1], late] {
        assert_eq!(world.answer(refused), Some(&Err(CallError::Stopping)));
    }
    world.release();
    assert!(world.answer(calls[0]).unwrap().is_ok());
    assert_eq!(finished(&world), 1);
    assert_eq!(world.disk.services["web"].members.len(), 2);
}

#[test]
fn who_waits_for_replicas_is_told_that_they_are_not_there() {
    let mut world = World::new(vec![owned("web", 1)]);
    world.pass(1_000);
    world.healthy = false;
    let call = crate::control::call::Call { wait: true, ..add(1, &["a"]) };
    let call = world.call(call);
    world.pass(2_000);
    world.tell(Event::Shutdown);
    assert_eq!(world.answer(call), Some(&Err(CallError::NotInTime(2))));
}

#[test]
fn a_disk_that_fails_holds_up_nothing() {
    let mut world = World::new(vec![owned("web", 2)]);
    world.pass(1_000);
    world.disk_fault = Some("no space left");
    world.tell(Event::Shutdown);
    world.pass(100);
    assert_eq!((world.running.len(), finished(&world)), (0, 1));
}

#[test]
fn a_program_that_owns_nothing_is_finished_at_once() {
    let mut world = World::new(vec![fixed("web", None)]);
    world.pass(1_000);
    world.tell(Event::Shutdown);
    assert_eq!(finished(&world), 1);
    assert_eq!(world.count(|action| matches!(action, Action::Persist { .. })), 0);
}
