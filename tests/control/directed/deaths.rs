//! Replicas that die, fall silent, or never come up: how long it takes, and that nobody else notices.

use ringway::control::view::ReplicaState;
use ringway::placement::ObservationKind;
use ringway::provider::Ending;

use super::scene::{
    assert_clean, end, ends, kill, living, look, millis, process, state, time_to_active, world,
};
use crate::stage::{owned, supervision};
use crate::timeline::Happening;
use crate::trouble::{Birth, Mood, Trouble};

#[test]
fn one_of_three_that_is_killed_is_active_again_within_a_quarter_of_a_second_and_the_others_do_not_notice() {
    let mut world = world(vec![owned("web", 3)]);
    let before = living(&world, "web");
    let (_, id) = process(&world, "Server-2").unwrap();
    kill(&mut world, "Server-2");
    let taken = time_to_active(&mut world, "Server-2", id).expect("it comes back");
    assert!(taken < millis(250), "{taken:?}");
    let after = living(&world, "web");
    assert!(after.keys().eq(before.keys()), "the name is the same");
    assert_eq!((before["Server-1"], before["Server-3"]), (after["Server-1"], after["Server-3"]));
    assert!(ends(&world, id).is_empty(), "a dead one is not ended again");
    end(world);
}

#[test]
fn a_stopped_replica_is_replaced_after_its_failures_and_killed_because_it_sees_no_signal() {
    let mut world = world(vec![owned("web", 3)]);
    let (process, id) = process(&world, "Server-1").unwrap();
    let pid = process.pid;
    let stopped = world.now();
    world.provider.feel(pid, Mood::Silent, None, &mut world.timeline);
    let taken = time_to_active(&mut world, "Server-1", id).expect("it is replaced");
    // Three intervals of a quarter of a second, a time-out, and what a silent one has to finish and to stop.
    assert!((millis(700)..millis(2_200)).contains(&taken), "{taken:?}");
    let kinds: Vec<Ending> = ends(&world, id).into_iter().map(|(_, ending)| ending).collect();
    assert_eq!(kinds, [Ending::Ask, Ending::Kill]);
    assert_eq!(world.log.starts.iter().filter(|(moment, _)| *moment > stopped).count(), 1);
    end(world);
}

#[test]
fn a_start_that_never_listens_fails_after_its_time_and_other_services_do_not_notice() {
    let mut world = world(vec![owned("web", 1), owned("api", 2)]);
    let others = living(&world, "api");
    world.provider.always.insert("web".into(), Birth::Deaf);
    kill(&mut world, "Server-1");
    let killed = world.now();
    world.run(millis(8_000));
    let starts: Vec<_> = world.log.starts.iter().filter(|(moment, _)| *moment > killed).collect();
    assert_eq!(starts.len(), 4, "each takes two seconds, and pauses follow: {starts:?}");
    let pauses: Vec<_> =
        starts.windows(2).map(|pair| pair[1].0.since(pair[0].0) - supervision().startup).collect();
    assert!(pauses.is_sorted() && pauses[2] > pauses[0] * 2, "{pauses:?}");
    assert_eq!(living(&world, "api"), others);
    assert!(world.log.ends.iter().all(|(_, _, ending)| *ending == Ending::Kill), "nobody listens to an Ask");
    world.provider.always.clear();
    end(world);
}

#[test]
fn a_command_that_does_not_exist_is_a_crash_loop_with_bounded_pauses_until_it_does() {
    let mut world = world(vec![owned("web", 2)]);
    world.provider.always.insert("web".into(), Birth::Impossible);
    kill(&mut world, "Server-1");
    let killed = world.now();
    let in_a_loop = |world: &crate::world::World| state(world, "Server-1") == Some(ReplicaState::CrashLoop);
    assert!(world.run_until(millis(3_000), in_a_loop).is_some());
    assert!(look(&world, "web", "Server-1").unwrap().next_start_ms.is_some());
    let failure = look(&world, "web", "Server-1").unwrap().last_failure.unwrap();
    assert!(failure.reason.contains("No such file"), "{failure:?}");
    world.run(millis(20_000));
    let starts: Vec<_> = world.log.starts.iter().filter(|(moment, _)| *moment > killed).collect();
    assert!((15..=40).contains(&starts.len()), "about one a second: {}", starts.len());
    world.provider.always.clear();
    let (_, other) = process(&world, "Server-2").unwrap();
    let taken = time_to_active(&mut world, "Server-1", other).expect("it comes up");
    assert!(taken < supervision().backoff_max + millis(250), "{taken:?}");
    end(world);
}

#[test]
fn a_replica_that_dies_again_and_again_waits_longer_each_time() {
    let mut world = world(vec![owned("web", 2)]);
    world.provider.always.insert("web".into(), Birth::ShortLived(millis(200)));
    kill(&mut world, "Server-1");
    world.run(millis(8_000));
    let starts = world.log.starts.iter().filter(|(_, instance)| instance.name.as_str() == "Server-1");
    let moments: Vec<_> = starts.map(|(moment, _)| *moment).collect();
    assert!((8..=20).contains(&moments.len()), "{moments:?}");
    let last = moments[moments.len() - 1].since(moments[moments.len() - 2]);
    assert!(last > millis(900), "the longest pause is a second: {last:?}");
    world.provider.always.clear();
    end(world);
}

#[test]
fn a_wrong_observation_costs_a_heartbeat_and_no_replica() {
    let mut world = world(vec![owned("web", 3)]);
    world.traffic = false;
    let before = living(&world, "web");
    let (_, id) = process(&world, "Server-3").unwrap();
    let number = (0..3).find(|&number| world.cores.pick(number) == Some(id)).unwrap();
    for _ in 0..20 {
        let now = world.now();
        world.timeline.at(now, Happening::Trouble(Trouble::Observe(number, ObservationKind::Unreachable)));
        world.run(std::time::Duration::ZERO);
        let taken = world.run_until(millis(500), |world| world.cores.is_up(id)).expect("it is up again");
        assert!(taken < millis(150), "{taken:?}");
    }
    assert_eq!(living(&world, "web"), before);
    assert_clean(&world);
    end(world);
}
