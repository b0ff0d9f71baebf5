//! Ringway stops in order.

use std::time::Duration;

use ringway::base::supervision::OnExit;
use ringway::control::call::CallError;
use ringway::control::machine::plan::{ReplicasPlan, ServicePlan};

use super::scene::{add, answer, ask, assert_clean, begin, end, kill, living, millis, process, world};
use crate::stage::owned;
use crate::timeline::Happening;
use crate::trouble::{Birth, Edit, Trouble};
use crate::world::{Stage, World};

fn keeping(name: &str, count: usize) -> ServicePlan {
    let mut plan = owned(name, count);
    if let ReplicasPlan::Owned { supervision, .. } = &mut plan.replicas {
        supervision.on_exit = OnExit::Keep;
    }
    plan
}

/// Stops Ringway; returns how long that takes.
fn stop(world: &mut World) -> Duration {
    world.shut_down(millis(100));
    world.run_until(Duration::from_secs(10), |world| world.stage == Stage::Down).expect("it ends")
}

#[test]
fn stop_leaves_nothing_and_keep_leaves_the_members_for_the_next_start() {
    let mut world = world(vec![owned("web", 3), keeping("api", 2)]);
    let api = living(&world, "api");
    stop(&mut world);
    assert!(living(&world, "web").is_empty());
    assert_eq!(living(&world, "api"), api);
    begin(&mut world);
    let world = end(world);
    assert_eq!(living(&world, "api"), api);
    assert_eq!(living(&world, "web").len(), 3);
}

#[test]
fn a_replica_that_ignores_the_signal_holds_up_the_end_until_it_is_killed() {
    let mut world = world(vec![owned("web", 2)]);
    let pid = process(&world, "Server-1").unwrap().0.pid;
    world.provider.stop_obeying(pid);
    let taken = stop(&mut world);
    assert!((millis(400)..millis(600)).contains(&taken), "{taken:?}");
    assert!(living(&world, "web").is_empty());
    assert_clean(&world);
}

#[test]
fn what_an_earlier_run_left_and_nobody_wants_ends_before_ringway_does() {
    for after in 0..60 {
        let mut world = world(vec![keeping("web", 3)]);
        let now = world.now();
        world.timeline.at(now, Happening::Trouble(Trouble::Edit(Edit::Count("web", 1))));
        world.run(Duration::ZERO);
        world.crash(millis(10));
        begin(&mut world);
        world.run(millis(after));
        stop(&mut world);
        assert_clean(&world);
        assert_eq!(living(&world, "web").len(), 1, "stopped after {after} ms");
    }
}

#[test]
fn a_start_under_way_ends_too() {
    for after in [0, 3, 10, 15, 20, 30, 40, 60, 100] {
        for birth in [Birth::Well, Birth::Deaf, Birth::Impossible] {
            let mut world = world(vec![owned("web", 2)]);
            world.provider.always.insert("web".into(), birth);
            kill(&mut world, "Server-1");
            world.run(millis(after));
            stop(&mut world);
            assert!(living(&world, "web").is_empty(), "{birth:?} after {after} ms");
            assert_clean(&world);
        }
    }
}

#[test]
fn calls_are_refused_or_made_when_ringway_stops_and_never_forgotten() {
    for after in 0..12 {
        let mut world = world(vec![owned("web", 2)]);
        let ids = [add(&["a"]), add(&["b"])].map(|change| ask(&mut world, change, after % 2 == 0));
        world.run(millis(after));
        stop(&mut world);
        for id in ids {
            let answered = answer(&mut world, id);
            let is_known = matches!(answered, Ok(_) | Err(CallError::Stopping | CallError::NotInTime(_)));
            assert!(is_known, "{answered:?}");
        }
        begin(&mut world);
        end(world);
    }
}

#[test]
fn a_full_disk_does_not_hold_up_the_end() {
    let mut world = world(vec![owned("web", 2), keeping("api", 1)]);
    let until = world.now() + Duration::from_secs(60);
    world.disk.fill_until(until);
    let taken = stop(&mut world);
    assert!(taken < Duration::from_secs(3), "{taken:?}");
    let now = world.now();
    world.disk.fill_until(now);
    begin(&mut world);
    end(world);
}
