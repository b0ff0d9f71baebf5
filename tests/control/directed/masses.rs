//! Many replicas that are slow or silent at once: overload is not death.

use std::time::Duration;

use ringway::control::view::ReplicaState;
use ringway::provider::Ending;

use super::scene::{end, living, millis, state, world};
use crate::stage::owned;
use crate::timeline::Happening;
use crate::trouble::{Birth, Mood, Trouble, Whom};
use crate::world::World;

fn feel(world: &mut World, mood: Mood, lasting: Duration) {
    let now = world.now();
    world.timeline.at(now, Happening::Trouble(Trouble::Feel(Whom::All, mood, lasting)));
}

#[test]
fn an_overload_of_a_minute_replaces_nobody() {
    let mut world = world(vec![owned("web", 6)]);
    let before = living(&world, "web");
    feel(&mut world, Mood::Overloaded, Duration::from_secs(60));
    world.run(Duration::from_secs(61));
    assert_eq!(living(&world, "web"), before);
    assert!(world.log.ends.is_empty());
    end(world);
}

#[test]
fn a_heartbeat_that_fails_for_a_minute_while_clients_are_served_replaces_nobody() {
    let mut world = world(vec![owned("web", 3)]);
    let before = living(&world, "web");
    feel(&mut world, Mood::Erring, Duration::from_secs(60));
    world.run(Duration::from_secs(61));
    assert_eq!(living(&world, "web"), before);
    end(world);
}

#[test]
fn of_six_that_are_silent_at_once_two_are_replaced_at_once_and_the_others_wait_their_turn() {
    let mut world = world(vec![owned("web", 6)]);
    let began = world.now();
    feel(&mut world, Mood::Silent, Duration::from_secs(60));
    // Those that replace them do not come up either.
    world.provider.always.insert("web".into(), Birth::Deaf);
    world.run(millis(2_500));
    let ended = world.log.ends.iter().filter(|(_, _, ending)| *ending == Ending::Ask).count();
    assert_eq!(ended, 2, "since {began:?}: {:?}", world.log.ends);
    let down = (1..=6).filter(|n| state(&world, &format!("Server-{n}")) == Some(ReplicaState::Down)).count();
    assert_eq!(down, 4);
    world.provider.always.clear();
    end(world);
}

#[test]
fn those_that_wait_their_turn_and_answer_again_go_on() {
    let mut world = world(vec![owned("web", 6)]);
    let before = living(&world, "web");
    world.provider.always.insert("web".into(), Birth::Late(millis(1_000)));
    feel(&mut world, Mood::Silent, millis(1_300));
    world.run(millis(5_000));
    let after = living(&world, "web");
    let kept = before.iter().filter(|(name, pid)| after.get(*name) == Some(pid)).count();
    assert_eq!(kept, 4, "{before:?} {after:?}");
    end(world);
}

#[test]
fn those_that_exit_are_all_replaced_at_once() {
    let mut world = world(vec![owned("web", 6)]);
    let now = world.now();
    world.timeline.at(now, Happening::Trouble(Trouble::Exit(Whom::All)));
    world.run(Duration::ZERO);
    assert!(living(&world, "web").is_empty());
    let is_back = |world: &World| living(world, "web").len() == 6;
    let taken = world.run_until(millis(2_000), is_back).expect("all come back");
    assert!(taken < millis(150), "{taken:?}");
    end(world);
}

#[test]
fn more_replicas_than_may_start_at_once_all_come_up_and_come_back() {
    let mut world = world(vec![owned("web", 150), owned("api", 10)]);
    let now = world.now();
    world.timeline.at(now, Happening::Trouble(Trouble::Exit(Whom::All)));
    world.run(Duration::ZERO);
    let are_back = |world: &World| living(world, "web").len() == 150 && living(world, "api").len() == 10;
    let taken = world.run_until(millis(3_000), are_back).expect("all come back");
    assert!(taken < millis(500), "{taken:?}");
    end(world);
}

#[test]
fn a_control_thread_that_is_slow_for_ten_seconds_replaces_nobody() {
    let mut world = world(vec![owned("web", 4)]);
    world.traffic = false;
    let before = living(&world, "web");
    let now = world.now();
    world.timeline.at(now, Happening::Trouble(Trouble::Lag(millis(700), Duration::from_secs(10))));
    world.run(Duration::from_secs(11));
    assert_eq!(living(&world, "web"), before);
    assert!(world.log.ends.is_empty());
    end(world);
}
