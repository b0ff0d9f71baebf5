//! From a start to the first answer, and after an end that nobody asked for.

use std::time::Duration;

use super::world::{World, address, owned, record, supervised};
use crate::base::supervision::Supervision;
use crate::control::machine::event::{Action, Event};
use crate::control::machine::plan::{ReplicasPlan, ServicePlan};
use crate::control::view::ReplicaState;
use crate::provider::{InstanceId, ProviderEvent};

fn starts(world: &World) -> Vec<u64> {
    let start = |(at, action): &(u64, Action)| matches!(action, Action::Start(_)).then_some(*at);
    world.history.iter().filter_map(start).collect()
}

/// What an action is, in a word.
fn word(action: &Action) -> &'static str {
    match action {
        Action::Persist { .. } => "persist",
        Action::Publish => "publish",
        Action::SetHealth { up: true, .. } => "up",
        Action::SetHealth { up: false, .. } => "down",
        Action::Prepare { .. } => "prepare",
        Action::Start(_) => "start",
        _ => "other",
    }
}

#[test]
fn a_replica_starts_when_its_intent_is_durable_and_serves_when_it_answers() {
    let mut world = World::new(vec![owned("web", 1)]);
    world.pass(0);
    let wanted = world.wanted();
    let steps: Vec<&str> = wanted.iter().map(word).collect();
    assert_eq!(
        steps,
        ["prepare", "persist", "publish", "persist", "start", "persist", "publish", "up"],
        "{wanted:#?}"
    );
    let id = world.id("Server-1");
    assert_eq!(world.states(), [ReplicaState::Active]);
    let member = world.member("Server-1").unwrap();
    assert_eq!((member.ordinal, member.incarnation, member.address), (1, id.0, Some(address(id))));
    let stored = &world.disk.services["web"];
    assert_eq!((stored.count, stored.members.len(), stored.instances.len()), (1, 1, 1));
    assert_eq!(stored.instances[0].record, Some(record(id)));
}

#[test]
fn nothing_starts_before_the_persist_that_lists_it_is_answered() {
    let mut world = World::new(vec![owned("web", 3)]);
    world.holds = |action| matches!(action, Action::Persist { .. });
    world.pass(1_000);
    assert!(starts(&world).is_empty());
    world.release();
    world.pass(10);
    assert_eq!(starts(&world).len(), 3);
    assert_eq!(world.states(), [ReplicaState::Active; 3]);
}

#[test]
fn a_replica_without_an_answer_is_a_member_without_an_address() {
    let mut world = World::new(vec![owned("web", 1)]);
    world.healthy = false;
    world.pass(1_000);
    assert_eq!(world.states(), [ReplicaState::Starting]);
    assert_eq!(world.member("Server-1").unwrap().address, None);
    let id = world.id("Server-1");
    world.serving.insert(id, true);
    world.pass(101);
    assert_eq!(world.states(), [ReplicaState::Active]);
    assert_eq!(world.member("Server-1").unwrap().address, Some(address(id)));
}

#[test]
fn an_instance_that_dies_is_replaced_at_once_under_its_name_and_ordinal() {
    let mut world = World::new(vec![owned("web", 3)]);
    world.pass(2_000);
    let old = world.id("Server-2");
    world.history.clear();
    world.holds = |action| matches!(action, Action::Heartbeat { .. });
    world.crash(old);
    let steps: Vec<&str> = world.wanted().iter().map(word).collect();
    assert_eq!(steps, ["down", "prepare", "persist", "persist", "start", "persist"]);
    let stale = world.member("Server-2").unwrap();
    assert_eq!(
        (stale.incarnation, stale.address),
        (old.0, Some(address(old))),
        "it is down, and stays where it was"
    );
    world.release();
    let new = world.id("Server-2");
    assert!(new > old);
    let member = world.member("Server-2").unwrap();
    assert_eq!((member.ordinal, member.incarnation, member.address), (2, new.0, Some(address(new))));
    let replica = world.replica("Server-2");
    assert_eq!((replica.state, replica.restarts), (ReplicaState::Active, 1));
    let failure = replica.last_failure.unwrap();
    assert_eq!(
        (&*failure.reason, &*failure.log_tail),
        ("exited with code 1", &["the last line".to_owned()][..])
    );
    let listed: Vec<InstanceId> = world.disk.services["web"].instances.iter().map(|one| one.id).collect();
    assert!(listed.contains(&new) && !listed.contains(&old) && listed.len() == 3, "{listed:?}");
}

#[test]
fn a_start_that_takes_too_long_is_killed_and_tried_again() {
    let mut world = World::new(vec![supervised("web", 1, |rule| rule.startup = Duration::from_secs(2))]);
    world.healthy = false;
    world.pass(1_999);
    let first = world.id("Server-1");
    assert!(world.endings(first).is_empty());
    world.pass(1);
    assert_eq!(world.endings(first), [(2_000, crate::provider::Ending::Kill)]);
    assert_eq!(
        world.count(|action| matches!(action, Action::AwaitIdle { .. })),
        0,
        "nothing can be under way"
    );
    let replica = world.replica("Server-1");
    assert_eq!(replica.state, ReplicaState::Waiting);
    assert!((75..=125).contains(&replica.next_start_ms.unwrap()), "{replica:?}");
    let port = address(first).port();
    assert_eq!(
        replica.last_failure.unwrap().reason,
        format!("did not answer http://127.0.0.1:{port}/heartbeat within 2 s: refused the connection")
    );
    world.pass(125);
    assert_ne!(world.id("Server-1"), first);
    assert_eq!(world.states(), [ReplicaState::Starting]);
}

#[test]
fn who_fails_again_and_again_is_a_crash_loop_and_goes_on_with_long_pauses() {
    let mut world = World::new(vec![supervised("web", 1, |rule| {
        rule.startup = Duration::from_millis(10);
        rule.backoff_max = Duration::from_secs(1);
    })]);
    world.healthy = false;
    let mut states = Vec::new();
    for _ in 0..8 {
        while world.count(|action| matches!(action, Action::End { .. })) == 0 {
            world.pass(5);
        }
        states.push(world.replica("Server-1").state);
        world.history.clear();
    }
    assert_eq!(states[..4], [ReplicaState::Waiting; 4]);
    assert_eq!(states[4..], [ReplicaState::CrashLoop; 4]);
    world.history.clear();
    world.pass(60_000);
    assert!((45..=80).contains(&starts(&world).len()), "{}", starts(&world).len());
    world.healthy = true;
    world.pass(1_500);
    assert_eq!(world.states(), [ReplicaState::Active]);
    let failed = world.log().iter().any(|line| line.contains("crash loop, 9 failures in a row"));
    assert!(failed, "{:#?}", &world.log()[..10]);
}

#[test]
fn failures_before_a_stable_time_are_forgotten() {
    let mut world = World::new(vec![owned("web", 1)]);
    let mut pauses = Vec::new();
    for active_ms in [0, 5_000, 5_000, 10_000, 0] {
        while world.states() != [ReplicaState::Active] {
            world.pass(1);
        }
        world.pass(active_ms);
        world.crash(world.id("Server-1"));
        pauses.push(world.replica("Server-1").next_start_ms.unwrap_or(0));
    }
    assert_eq!(pauses[0], 0);
    assert!((75..=125).contains(&pauses[1]) && (150..=250).contains(&pauses[2]), "{pauses:?}");
    assert_eq!(pauses[3], 0, "it was stable");
    assert!((75..=125).contains(&pauses[4]), "{pauses:?}");
}

#[test]
fn a_start_that_the_provider_cannot_make_is_a_failure() {
    let mut world = World::new(vec![owned("web", 1)]);
    world.holds = |action| matches!(action, Action::Prepare { .. });
    world.pass(0);
    let id = world.id("Server-1");
    world.holds = |_| false;
    world.held.clear();
    world.tell(Event::Prepared { id, result: Err("no port is free".into()) });
    let replica = world.replica("Server-1");
    assert_eq!(
        (replica.state, replica.last_failure.unwrap().reason),
        (ReplicaState::Waiting, "no port is free".into())
    );
    world.pass(125);
    assert_eq!(world.states(), [ReplicaState::Active]);
    assert!(world.log().iter().any(|line| line.starts_with("Server-1: no port is free; starts again in")));
}

#[test]
fn a_provider_that_cannot_begin_a_start_for_long_is_asked_every_second_and_makes_no_crash_loop() {
    let mut world = World::new(vec![owned("web", 1)]);
    world.holds = |action| matches!(action, Action::Prepare { .. });
    world.pass(0);
    for _ in 0..60 {
        let id = world.id("Server-1");
        world.held.clear();
        world.tell(Event::Prepared { id, result: Err("no engine".into()) });
        assert_eq!(world.states(), [ReplicaState::Waiting]);
        assert!(world.replica("Server-1").next_start_ms.unwrap() <= 1_000);
        world.pass(1_000);
    }
    assert_eq!(world.log().iter().filter(|line| line.contains("no engine")).count(), 1);
    world.holds = |_| false;
    world.release();
    world.pass(0);
    assert_eq!(world.states(), [ReplicaState::Active]);
}

#[test]
fn many_replicas_start_in_batches_and_share_writes() {
    let mut world = World::new(vec![owned("web", 200)]);
    world.holds = |action| matches!(action, Action::Start(_));
    world.pass(100);
    assert_eq!(world.held.len(), 64);
    assert_eq!(world.machine.deadline(), crate::base::time::Moment::NEVER, "nobody polls");
    world.release();
    world.pass(100);
    assert_eq!(world.states(), vec![ReplicaState::Active; 200]);
    let mut world = World::new(vec![owned("web", 64)]);
    world.holds = |action| matches!(action, Action::Persist { .. });
    world.pass(0);
    world.release();
    world.pass(0);
    assert!(world.count(|action| matches!(action, Action::Persist { .. })) <= 64 + 4);
}

#[test]
fn what_is_down_is_out_of_use_at_once_whoever_answers_at_its_address() {
    let mut world = World::new(vec![owned("web", 1)]);
    world.pass(1_000);
    let id = world.id("Server-1");
    world.history.clear();
    world.tell(Event::Provider(ProviderEvent::Down { id }));
    let beat = world.beat(id);
    assert!(beat.answered, "somebody else has the address");
    world.tell(Event::Heartbeat(beat));
    world.pass(2_000);
    let words: Vec<_> = world.history.iter().map(|(_, action)| word(action)).collect();
    assert_eq!(words.iter().filter(|word| **word == "down").count(), 1, "{words:?}");
    assert!(!words.contains(&"up") && !words.contains(&"start"), "{words:?}");
    world.crash(id);
    world.pass(1_000);
    assert_eq!(world.states(), [ReplicaState::Active]);
    assert_ne!(world.id("Server-1"), id);
}

#[test]
fn starts_that_a_provider_bounds_itself_hold_up_nobody_else() {
    let containers = ServicePlan {
        replicas: ReplicasPlan::Owned {
            provider: "docker",
            count: 200,
            supervision: Supervision::default(),
            queues_starts: false,
        },
        ..owned("containers", 0)
    };
    let mut world = World::new(vec![containers, owned("web", 3)]);
    world.holds = |action| matches!(action, Action::Start(instance) if &*instance.service == "containers");
    world.pass(100);
    assert_eq!(world.held.len(), 200);
    let states: Vec<_> = world.replicas("web").iter().map(|replica| replica.state).collect();
    assert_eq!(states, [ReplicaState::Active; 3]);
}

#[test]
fn the_same_events_give_the_same_actions() {
    let run = || {
        let mut world = World::new(vec![owned("web", 5)]);
        world.pass(3_000);
        world.crash(world.id("Server-3"));
        world.pass(3_000);
        world.history
    };
    assert_eq!(run(), run());
}
