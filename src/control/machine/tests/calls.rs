//! What operators ask for, and when they are answered.

use std::time::Duration;

use super::world::{World, add, fixed, owned, remove, supervised};
use crate::base::algorithm::{Algorithm, SlotsRule};
use crate::control::call::{Call, CallError};
use crate::control::machine::event::{Action, CallId, Event};
use crate::control::machine::plan::ServicePlan;
use crate::control::view::ReplicaState;

fn waiting(call: Call) -> Call {
    Call { wait: true, ..call }
}

fn names(world: &World, id: CallId) -> Vec<String> {
    let answer = world.answer(id).unwrap_or_else(|| panic!("{id:?} has no answer"));
    answer.as_ref().unwrap().iter().map(ToString::to_string).collect()
}

fn error(world: &World, id: CallId) -> CallError {
    world.answer(id).unwrap_or_else(|| panic!("{id:?} has no answer")).clone().unwrap_err()
}

#[test]
fn replicas_come_and_go_and_every_answer_lists_them_in_the_order_in_which_they_came() {
    let mut world = World::new(vec![owned("web", 2)]);
    world.pass(10);
    let added = world.call(add(2, &["a", "b"]));
    assert_eq!(names(&world, added), ["Server-1", "Server-2", "a", "b"]);
    let removed = world.call(remove(2, &["Server-1", "a"]));
    assert_eq!(names(&world, removed), ["Server-2", "b"]);
    world.pass(10);
    let again = world.call(add(1, &["c"]));
    assert_eq!(names(&world, again), ["Server-2", "b", "c"]);
    world.pass(10);
    assert_eq!(world.replica("c").ordinal, 1, "the smallest free number");
    assert_eq!(world.states(), [ReplicaState::Active; 3]);
    let stored: Vec<&str> =
        world.disk.services["web"].members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(stored, ["Server-2", "b", "c"]);
    assert_eq!(world.disk.services["web"].count, 2, "calls leave the count alone");
}

#[test]
fn a_call_is_answered_when_its_change_is_durable() {
    let mut world = World::new(vec![owned("web", 1)]);
    world.pass(10);
    world.holds = |action| matches!(action, Action::Persist { .. });
    let call = world.call(add(1, &["a"]));
    assert_eq!(world.answer(call), None);
    assert_eq!(world.names(), ["Server-1"], "nothing is true before");
    world.release();
    assert_eq!(names(&world, call), ["Server-1", "a"]);
}

#[test]
fn a_change_that_cannot_be_stored_is_not_made_and_the_next_calls_do_not_see_it() {
    let mut world = World::new(vec![owned("web", 2)]);
    world.pass(10);
    world.holds = |action| matches!(action, Action::Persist { .. });
    let calls =
        [add(1, &["a"]), remove(1, &["a"]), add(1, &["b"]), remove(3, &[])].map(|call| world.call(call));
    world.disk_fault = Some("no space left");
    let first = world.held.remove(0);
    world.perform(first);
    world.settle();
    assert_eq!(error(&world, calls[0]), CallError::Storage("no space left".into()));
    assert_eq!(error(&world, calls[1]), CallError::Unknown("a".parse().unwrap()));
    assert_eq!(world.machine.view(world.now).storage_fault.as_deref(), Some("no space left"));
    world.disk_fault = None;
    world.release();
    assert_eq!(names(&world, calls[2]), ["Server-1", "Server-2", "b"]);
    assert_eq!(names(&world, calls[3]), Vec::<String>::new());
    assert_eq!(world.machine.view(world.now).storage_fault, None);
}

#[test]
fn a_service_is_named_or_the_only_one() {
    let slots = ServicePlan { algorithm: Algorithm::Slots(SlotsRule::default()), ..owned("two", 1) };
    type Case = (&'static str, Vec<ServicePlan>, Option<&'static str>, Option<CallError>);
    let cases: [Case; 7] = [
        ("the only one that is owned", vec![fixed("s", None), owned("one", 1)], None, None),
        ("a name", vec![owned("one", 1), slots.clone()], Some("two"), None),
        (
            "none of several",
            vec![owned("one", 1), slots],
            None,
            Some(CallError::Ambiguous("one, two".into())),
        ),
        (
            "a static one",
            vec![fixed("s", None), owned("one", 1)],
            Some("s"),
            Some(CallError::Static("s".into())),
        ),
        ("nothing owned", vec![fixed("s", None)], None, Some(CallError::Static("s".into()))),
        ("no such name", vec![owned("one", 1)], Some("x"), Some(CallError::NoService("x".into()))),
        ("no service at all", vec![], None, Some(CallError::NoService("".into()))),
    ];
    for (name, plans, service, expected) in cases {
        let mut world = World::new(plans);
        world.pass(10);
        let call = world.call(Call { service: service.map(Into::into), ..add(1, &["a"]) });
        assert_eq!(world.answer(call).unwrap().as_ref().err(), expected.as_ref(), "{name}");
    }
}

#[test]
fn who_waits_is_answered_when_all_that_came_are_active() {
    let mut world = World::new(vec![owned("web", 1)]);
    world.pass(10);
    world.healthy = false;
    let call = world.call(waiting(add(2, &["a", "b"])));
    world.pass(1_000);
    let (a, b) = (world.id("a"), world.id("b"));
    world.serving.insert(a, true);
    world.pass(200);
    assert_eq!(world.answer(call), None);
    world.serving.insert(b, true);
    world.pass(200);
    assert_eq!(names(&world, call), ["Server-1", "a", "b"]);
}

#[test]
fn who_waits_is_answered_when_all_that_went_are_gone() {
    let mut world = World::new(vec![owned("web", 2)]);
    world.pass(10);
    world.holds = |action| matches!(action, Action::AwaitIdle { .. });
    let call = world.call(waiting(remove(2, &[])));
    assert_eq!(world.answer(call), None);
    world.release();
    assert_eq!(names(&world, call), Vec::<String>::new());
}

#[test]
fn waiting_is_bounded() {
    let mut world = World::new(vec![supervised("web", 1, |rule| {
        rule.startup = Duration::from_secs(3);
        rule.drain = Duration::from_secs(2);
        rule.stop_timeout = Duration::from_secs(1);
    })]);
    world.pass(10);
    world.healthy = false;
    world.holds = |action| matches!(action, Action::End { .. });
    let coming = world.call(waiting(add(1, &["a"])));
    let going = world.call(waiting(remove(1, &["Server-1"])));
    world.pass(2_999);
    assert_eq!((world.answer(coming), world.answer(going)), (None, None));
    world.pass(1);
    assert_eq!(error(&world, coming), CallError::NotInTime(3));
    world.pass(1_000);
    assert_eq!(error(&world, going), CallError::NotInTime(4));
    assert_eq!(world.disk.services["web"].members.len(), 1, "the change stands");
}

#[test]
fn a_replica_that_is_removed_again_is_not_waited_for() {
    let mut world = World::new(vec![owned("web", 1)]);
    world.pass(10);
    world.healthy = false;
    let call = world.call(waiting(add(2, &["a", "b"])));
    world.call(remove(1, &["a"]));
    world.serving.insert(world.id("b"), true);
    world.pass(200);
    assert_eq!(names(&world, call), ["Server-1", "b"]);
}

#[test]
fn so_many_calls_may_wait_and_no_more() {
    let mut world = World::new(vec![owned("web", 1)]);
    world.pass(10);
    world.holds = |action| matches!(action, Action::Persist { .. });
    let calls: Vec<CallId> = (0..300).map(|_| world.call(add(1, &[]))).collect();
    assert_eq!(world.answered.len(), 300 - 256 - 1);
    assert_eq!(error(&world, calls[257]), CallError::Busy(256));
    world.release();
    assert_eq!(names(&world, calls[256]).len(), 258);
    assert!(!CallError::Busy(256).is_callers());
}

#[test]
fn made_up_names_end_in_the_time() {
    let mut world = World::new(vec![owned("web", 0)]);
    world.pass(10);
    let id = CallId(77);
    world.tell(Event::Call { id, call: add(20, &["a"]), clock_ms: 86_399_042 });
    let names = names(&world, id);
    assert_eq!((names.len(), &*names[0]), (20, "a"));
    assert!(names[1..].iter().all(|name| name.len() == 14 && name.ends_with("-042")), "{names:?}");
}
