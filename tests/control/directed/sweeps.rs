//! Ringway is killed before each single action of what follows an event, and again before each of its new start: wherever
//! that is, all becomes as it should be.

use std::time::Duration;

use super::scene::{add, ask, end, kill, living, millis, process, remove, world};
use crate::operator::members;
use crate::stage::owned;
use crate::trouble::Mood;
use crate::world::{Stage, Trap, World};

/// Actions of what follows that are tried, at most.
const STEPS_MAX: i64 = 60;

/// A trap before the `steps`th action from now on that is more than a heartbeat or a line of the log.
fn trap(steps: i64) -> Trap {
    use ringway::control::machine::event::Action;
    let mut left = steps;
    Box::new(move |action| {
        left -= i64::from(!matches!(action, Action::Heartbeat { .. } | Action::Log(_)));
        left < 0
    })
}

/// Lets `happen` happen, with a crash before each action that follows. Returns after how many it was over.
fn sweep(names: &[&str], lasting: Duration, happen: impl Fn(&mut World)) -> i64 {
    for step in 0..STEPS_MAX {
        let mut world = world(vec![owned("web", 3)]);
        world.crash_before = Some(trap(step));
        happen(&mut world);
        let has_crashed = |world: &World| world.crash_before.is_none();
        if world.run_until(lasting, has_crashed).is_none() {
            return step;
        }
        // The start that follows comes to a bad end, too.
        world.crash_before = Some(trap(step % 7));
        world.run(millis(200));
        world.crash_before = None;
        let world = end(world);
        let wanted = members(world.disk.held(), "web");
        let is_one_of_two = names.iter().any(|names| wanted.join(" ") == *names);
        assert!(is_one_of_two, "step {step}: {wanted:?}");
        assert_eq!(living(&world, "web").len(), wanted.len(), "step {step}");
    }
    STEPS_MAX
}

const THREE: &str = "Server-1 Server-2 Server-3";

#[test]
fn of_an_add() {
    let steps = sweep(&[THREE, "Server-1 Server-2 Server-3 a b"], millis(1_000), |world| {
        ask(world, add(&["a", "b"]), true);
    });
    assert!((10..STEPS_MAX).contains(&steps), "{steps}");
}

#[test]
fn of_a_removal() {
    let steps = sweep(&[THREE, "Server-2"], millis(3_000), |world| {
        ask(world, remove(&["Server-1", "Server-3"]), true);
    });
    assert!((8..STEPS_MAX).contains(&steps), "{steps}");
}

#[test]
fn of_a_death() {
    let steps = sweep(&[THREE], millis(1_000), |world| {
        kill(world, "Server-1");
        kill(world, "Server-2");
    });
    assert!((10..STEPS_MAX).contains(&steps), "{steps}");
}

#[test]
fn of_a_silence() {
    let steps = sweep(&[THREE], millis(3_000), |world| {
        let pid = process(world, "Server-2").unwrap().0.pid;
        world.provider.feel(pid, Mood::Silent, None, &mut world.timeline);
    });
    assert!((8..STEPS_MAX).contains(&steps), "{steps}");
}

#[test]
fn of_a_stop() {
    let steps = sweep(&[THREE], millis(1_000), |world| {
        world.shut_down(millis(50));
        assert_ne!(world.stage, Stage::Up);
    });
    assert!(steps >= 4, "{steps}");
}
