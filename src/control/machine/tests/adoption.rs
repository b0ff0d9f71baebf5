//! What an earlier process left running.

use std::collections::BTreeMap;

use super::world::{World, address, fixed, owned};
use crate::control::durable::{DurableInstance, DurableMember, DurableService, DurableState};
use crate::control::machine::event::{Action, Event};
use crate::control::machine::plan::ServicePlan;
use crate::control::view::ReplicaState;
use crate::provider::{Ending, Instance, InstanceId, IntendedPlace, Intent};

/// The disk of a process that had these members of "web" and listed these instances, and what of it still runs.
fn left(
    count: u64,
    members: &[&str],
    instances: &[(u64, &str, bool)],
) -> (DurableState, BTreeMap<InstanceId, Instance>) {
    let members =
        members.iter().zip(1..).map(|(name, ordinal)| DurableMember { name: name.parse().unwrap(), ordinal });
    let intent = |id: u64| Intent {
        nonce: format!("{id:032x}").into(),
        place: IntendedPlace::Process { port: 20_000 + id as u16 },
    };
    let listed = instances.iter().map(|&(id, name, _)| DurableInstance {
        id: InstanceId(id),
        name: name.parse().unwrap(),
        intent: intent(id),
        record: None,
    });
    let running = instances.iter().filter(|(_, _, runs)| *runs).map(|&(id, name, _)| {
        let name = name.parse().unwrap();
        (InstanceId(id), Instance { id: InstanceId(id), service: "web".into(), name, intent: intent(id) })
    });
    let web = DurableService { count, members: members.collect(), instances: listed.collect() };
    (DurableState { next_instance: 20, services: BTreeMap::from([("web".into(), web)]) }, running.collect())
}

fn world(plan: ServicePlan, left: (DurableState, BTreeMap<InstanceId, Instance>)) -> World {
    World::after(vec![plan], left.0, left.1)
}

fn started(world: &World) -> Vec<String> {
    let start = |(_, action): &(u64, Action)| match action {
        Action::Start(instance) => Some(instance.name.to_string()),
        _ => None,
    };
    world.history.iter().filter_map(start).collect()
}

#[test]
fn what_runs_goes_on_and_what_does_not_is_started() {
    let left = left(2, &["Server-1", "Server-2"], &[(7, "Server-1", true), (8, "Server-2", false)]);
    let mut world = world(owned("web", 2), left);
    world.pass(0);
    assert_eq!(started(&world), ["Server-2"]);
    assert_eq!(world.states(), [ReplicaState::Active; 2]);
    assert_eq!((world.id("Server-1"), world.id("Server-2")), (InstanceId(7), InstanceId(20)));
    assert_eq!(world.member("Server-1").unwrap().address, Some(address(InstanceId(7))));
    let listed: Vec<u64> = world.disk.services["web"].instances.iter().map(|one| one.id.0).collect();
    assert_eq!(listed, [7, 20]);
    assert!(world.disk.services["web"].instances.iter().all(|one| one.record.is_some()));
}

#[test]
fn nothing_is_started_under_a_name_while_one_of_it_may_run() {
    let left = left(1, &["Server-1"], &[(7, "Server-1", false)]);
    let mut world = world(owned("web", 1), left);
    world.holds = |action| matches!(action, Action::Adopt { .. });
    world.pass(60_000);
    assert!(started(&world).is_empty());
    world.release();
    assert_eq!(started(&world), ["Server-1"]);
}

#[test]
fn members_win_while_the_count_is_the_same_and_begin_anew_from_another() {
    let cases: [(&str, u64, usize, &[&str]); 4] = [
        ("the same count", 5, 5, &["a", "Server-2"]),
        ("a smaller one keeps the first", 5, 1, &["a"]),
        ("a larger one adds", 5, 4, &["a", "Server-2", "Server-3", "Server-4"]),
        ("none at all", 5, 0, &[]),
    ];
    for (name, stored, count, expected) in cases {
        let mut world = world(owned("web", count), left(stored, &["a", "Server-2"], &[]));
        world.pass(100);
        assert_eq!(world.names(), expected, "{name}");
        let stored = &world.disk.services["web"];
        assert_eq!((stored.count, stored.members.len()), (count as u64, expected.len()), "{name}");
    }
}

#[test]
fn a_name_that_somebody_took_is_not_made_up_again() {
    let mut world = world(owned("web", 3), left(1, &["Server-3", "Server-2"], &[]));
    world.pass(100);
    let replicas =
        world.replicas("web").into_iter().map(|one| (one.name.to_string(), one.ordinal)).collect::<Vec<_>>();
    assert_eq!(replicas, [("Server-3".into(), 1), ("Server-2".into(), 2), ("Server-4".into(), 3)]);
}

#[test]
fn instances_of_no_member_are_ended() {
    let left = left(
        2,
        &["Server-1", "Server-2"],
        &[(7, "Server-1", true), (8, "Server-2", true), (9, "gone", true)],
    );
    let mut world = world(owned("web", 1), left);
    world.holds = |action| matches!(action, Action::End { .. });
    world.pass(5);
    assert_eq!(world.names(), ["Server-1", "Server-2", "gone"]);
    assert_eq!(world.states(), [ReplicaState::Active, ReplicaState::Stopping, ReplicaState::Stopping]);
    assert_eq!(world.machine.members()[0].replicas.len(), 1);
    world.release();
    assert_eq!(world.names(), ["Server-1"]);
    assert_eq!(world.running.keys().copied().collect::<Vec<_>>(), [InstanceId(7)]);
    world.pass(100);
    assert_eq!(world.disk.services["web"].instances.len(), 1);
}

#[test]
fn of_several_instances_of_one_name_the_newest_that_runs_goes_on() {
    let instances = [(5, "Server-1", true), (7, "Server-1", true), (9, "Server-1", false)];
    let mut world = world(owned("web", 1), left(1, &["Server-1"], &instances));
    world.holds = |action| matches!(action, Action::End { .. });
    world.pass(10);
    assert_eq!(world.member("Server-1").unwrap().address, Some(address(InstanceId(7))));
    assert_eq!(world.endings(InstanceId(5)), [(0, Ending::Ask)]);
    world.crash(InstanceId(7));
    world.pass(5_000);
    assert!(started(&world).is_empty(), "an older one of the name has not ended");
    world.release();
    world.pass(10);
    assert_eq!(started(&world), ["Server-1"]);
    assert_eq!(world.running.len(), 1);
}

#[test]
fn a_service_that_left_the_configuration_is_ended_and_then_forgotten() {
    for plans in [vec![], vec![fixed("web", None)], vec![owned("other", 1)]] {
        let (disk, running) = left(1, &["Server-1"], &[(7, "Server-1", true), (8, "Server-2", false)]);
        let mut world = World::after(plans, disk, running);
        world.holds = |action| matches!(action, Action::End { .. });
        world.pass(10);
        assert_eq!(world.endings(InstanceId(7)), [(0, Ending::Ask)]);
        let web = &world.disk.services["web"];
        assert_eq!((web.members.len(), web.instances.len()), (0, 1));
        world.release();
        assert!(!world.running.contains_key(&InstanceId(7)));
        assert!(!world.disk.services.contains_key("web"), "{:?}", world.disk);
    }
}

#[test]
fn a_service_that_comes_back_before_its_instances_have_ended_has_its_replicas_again() {
    let (disk, running) = left(1, &["Server-1"], &[(7, "Server-1", true)]);
    let mut without = World::after(vec![], disk, running);
    without.holds = |action| matches!(action, Action::End { .. });
    without.pass(10);
    let mut back = World::after(vec![owned("web", 1)], without.disk, without.running);
    back.pass(10);
    assert_eq!((back.names(), back.id("Server-1")), (vec!["Server-1".to_owned()], InstanceId(7)));
    assert_eq!(back.states(), [ReplicaState::Active]);
}

#[test]
fn an_instance_that_was_adopted_and_does_not_answer_is_replaced() {
    let mut world = world(owned("web", 1), left(1, &["Server-1"], &[(7, "Server-1", true)]));
    world.serving.insert(InstanceId(7), false);
    world.pass(29_999);
    assert!(world.endings(InstanceId(7)).is_empty());
    world.pass(1_000);
    assert_eq!(world.endings(InstanceId(7)), [(30_000, Ending::Kill)]);
    assert_eq!(world.states(), [ReplicaState::Active]);
}

#[test]
fn numbers_of_instances_go_on_above_every_one_that_is_known() {
    let (mut disk, running) = left(1, &["Server-1"], &[(41, "Server-1", false)]);
    disk.next_instance = 3;
    let mut world = World::after(vec![fixed("static", None), owned("web", 1)], disk, running);
    world.pass(0);
    assert_eq!(world.replicas("static")[0].incarnation, 42);
    assert_eq!(world.id("Server-1"), InstanceId(43));
    assert_eq!(world.disk.next_instance, 44);
}

#[test]
fn late_news_of_unknown_instances_change_nothing() {
    let mut world = world(owned("web", 1), left(1, &["Server-1"], &[]));
    world.pass(10);
    world.history.clear();
    let unknown = InstanceId(999);
    world.tell(super::world::ended(unknown, "?"));
    world.tell(Event::Idle { id: unknown });
    world.tell(Event::Prepared { id: unknown, result: Err("?".into()) });
    world.tell(Event::Heartbeat(world.beat(unknown)));
    assert!(world.history.is_empty(), "{:?}", world.history);
}
