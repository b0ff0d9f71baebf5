//! What operators ask for, when it can be done and when it cannot.

use std::time::Duration;

use ringway::control::call::CallError;
use ringway::control::view::ReplicaState;
use ringway::provider::Ending;

use super::scene::{
    add, answer, ask, assert_clean, end, ends, living, millis, process, remove, restart, state, world,
};
use crate::operator::members;
use crate::stage::{owned, supervision};
use crate::trouble::{Birth, Mood};

fn names(answer: &ringway::control::call::CallAnswer) -> Vec<&str> {
    answer.as_ref().expect("it is made").iter().map(|name| name.as_str()).collect()
}

#[test]
fn an_add_is_answered_when_it_is_durable_and_survives_a_crash_at_once() {
    let mut world = world(vec![owned("web", 2)]);
    let id = ask(&mut world, add(&["a"]), false);
    let answered = answer(&mut world, id);
    assert_eq!(names(&answered), ["Server-1", "Server-2", "a"]);
    restart(&mut world);
    let world = end(world);
    assert_eq!(living(&world, "web").len(), 3);
}

#[test]
fn an_add_that_waits_is_answered_when_the_replica_serves() {
    let mut world = world(vec![owned("web", 2)]);
    world.provider.births.entry("web".into()).or_default().push_back(Birth::Late(millis(700)));
    let asked = world.now();
    let id = ask(&mut world, add(&["a"]), true);
    answer(&mut world, id).expect("it is made");
    assert!(world.now().since(asked) >= millis(700));
    assert_eq!(state(&world, "a"), Some(ReplicaState::Active));
    end(world);
}

#[test]
fn an_add_that_waits_for_a_replica_that_does_not_come_up_says_so_and_is_made() {
    let mut world = world(vec![owned("web", 2)]);
    world.provider.births.entry("web".into()).or_default().push_back(Birth::Deaf);
    let id = ask(&mut world, add(&["a"]), true);
    let answered = answer(&mut world, id);
    assert!(matches!(answered, Err(CallError::NotInTime(_))), "{answered:?}");
    assert_eq!(members(world.disk.held(), "web").len(), 3);
    end(world);
}

#[test]
fn a_full_disk_refuses_an_add_and_nothing_has_changed() {
    let mut world = world(vec![owned("web", 3)]);
    let (before, starts) = (living(&world, "web"), world.log.starts.len());
    let until = world.now() + Duration::from_secs(5);
    world.disk.fill_until(until);
    let id = ask(&mut world, add(&["a"]), false);
    let answered = answer(&mut world, id);
    assert!(matches!(answered, Err(CallError::Storage(_))), "{answered:?}");
    world.run(Duration::from_secs(10));
    assert_eq!(living(&world, "web"), before);
    assert_eq!(world.log.starts.len(), starts);
    let id = ask(&mut world, add(&["a"]), false);
    let answered = answer(&mut world, id);
    assert_eq!(names(&answered).len(), 4, "there is space again");
    end(world);
}

#[test]
fn a_write_that_fails_when_the_file_is_there_already_is_put_right_by_the_next() {
    for crashes in [false, true] {
        let mut world = world(vec![owned("web", 3)]);
        world.disk.late = 1.0;
        let until = world.now() + millis(100);
        world.disk.fill_until(until);
        let id = ask(&mut world, add(&["a"]), false);
        assert!(matches!(answer(&mut world, id), Err(CallError::Storage(_))));
        assert_eq!(members(world.disk.held(), "web").len(), 4);
        if crashes {
            restart(&mut world);
        }
        let world = end(world);
        let replicas = if crashes { 4 } else { 3 };
        assert_eq!(
            (living(&world, "web").len(), members(world.disk.held(), "web").len()),
            (replicas, replicas)
        );
    }
}

#[test]
fn a_replica_that_dies_while_the_disk_is_full_comes_back_when_it_is_not() {
    let mut world = world(vec![owned("web", 3)]);
    let until = world.now() + Duration::from_secs(5);
    world.disk.fill_until(until);
    super::scene::kill(&mut world, "Server-1");
    world.run(millis(4_500));
    assert_eq!(living(&world, "web").len(), 2, "no start without a durable intent");
    assert!(world.machine.as_ref().unwrap().view(world.now()).storage_fault.is_some());
    let is_back = |world: &crate::world::World| living(world, "web").len() == 3;
    assert!(world.run_until(millis(2_000), is_back).is_some());
    end(world);
}

#[test]
fn a_removed_replica_that_is_idle_is_asked_soon_and_one_that_is_not_at_the_end_of_its_drain() {
    for (endless, earliest, latest) in [(0.0, 0, 700), (1.0, 800, 850)] {
        let mut world = world(vec![owned("web", 2)]);
        world.cores.endless = endless;
        world.run(Duration::from_secs(1));
        let (_, id) = process(&world, "Server-2").unwrap();
        let id_of_call = ask(&mut world, remove(&["Server-2"]), false);
        answer(&mut world, id_of_call).expect("it is made");
        let removed = world.now();
        assert_eq!(state(&world, "Server-2"), Some(ReplicaState::Draining));
        let is_gone = |world: &crate::world::World| process(world, "Server-2").is_none();
        assert!(world.run_until(millis(5_000), is_gone).is_some());
        let order = ends(&world, id);
        let waited = order[0].0 - removed.since(ringway::base::time::Moment::ORIGIN);
        assert_eq!((order.len(), order[0].1), (1, Ending::Ask));
        assert!((millis(earliest)..millis(latest)).contains(&waited), "{endless}: {waited:?}");
        world.cores.endless = 0.0;
        end(world);
    }
}

#[test]
fn a_removed_replica_that_ignores_the_signal_is_killed_after_its_time() {
    let mut world = world(vec![owned("web", 2)]);
    let (process, id) = process(&world, "Server-2").unwrap();
    let pid = process.pid;
    world.provider.stop_obeying(pid);
    let call = ask(&mut world, remove(&["Server-2"]), true);
    assert_eq!(names(&answer(&mut world, call)), ["Server-1"]);
    let order = ends(&world, id);
    let kinds: Vec<Ending> = order.iter().map(|(_, ending)| *ending).collect();
    assert_eq!(kinds, [Ending::Ask, Ending::Kill]);
    let waited = order[1].0 - order[0].0;
    assert!(
        (supervision().stop_timeout..supervision().stop_timeout + millis(5)).contains(&waited),
        "{waited:?}"
    );
    end(world);
}

#[test]
fn a_name_on_its_way_out_is_taken_until_it_is_gone() {
    let mut world = world(vec![owned("web", 2)]);
    let pid = process(&world, "Server-2").unwrap().0.pid;
    world.provider.feel(pid, Mood::Silent, None, &mut world.timeline);
    let id = ask(&mut world, remove(&["Server-2"]), false);
    answer(&mut world, id).expect("it is made");
    let id = ask(&mut world, add(&["Server-2"]), false);
    assert!(matches!(answer(&mut world, id), Err(CallError::Exists(_))));
    let is_gone = |world: &crate::world::World| state(world, "Server-2").is_none();
    assert!(world.run_until(millis(5_000), is_gone).is_some());
    let id = ask(&mut world, add(&["Server-2"]), true);
    assert_eq!(names(&answer(&mut world, id)), ["Server-1", "Server-2"]);
    end(world);
}

#[test]
fn calls_at_once_are_made_one_after_the_other() {
    let mut world = world(vec![owned("web", 3)]);
    let ids = [add(&["a"]), remove(&["a"]), add(&["b"]), remove(&["Server-1", "b"]), remove(&["Server-1"])]
        .map(|change| ask(&mut world, change, false));
    let answers = ids.map(|id| answer(&mut world, id));
    assert_eq!(names(&answers[0]), ["Server-1", "Server-2", "Server-3", "a"]);
    assert_eq!(names(&answers[1]), ["Server-1", "Server-2", "Server-3"]);
    assert_eq!(names(&answers[3]), ["Server-2", "Server-3"]);
    assert!(matches!(answers[4], Err(CallError::Unknown(_))), "{:?}", answers[4]);
    assert_clean(&world);
    end(world);
}
