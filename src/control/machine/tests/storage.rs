//! A disk that fails, and what goes on meanwhile.

use super::world::{World, owned};
use crate::control::machine::event::Action;
use crate::control::view::ReplicaState;

fn persists(world: &World) -> Vec<(u64, u64)> {
    let persist = |(at, action): &(u64, Action)| match action {
        Action::Persist { version, .. } => Some((*at, *version)),
        _ => None,
    };
    world.history.iter().filter_map(persist).collect()
}

#[test]
fn nothing_starts_while_the_disk_fails_and_it_is_tried_again_each_second() {
    let mut world = World::new(vec![owned("web", 2)]);
    world.disk_fault = Some("no space left");
    world.pass(3_500);
    assert_eq!(world.running.len(), 0);
    assert_eq!(persists(&world), [(0, 1), (1_000, 2), (2_000, 3), (3_000, 4)]);
    assert_eq!(world.machine.view(world.now).storage_fault.as_deref(), Some("no space left"));
    let faults = world.log().into_iter().filter(|line| line.contains("no space left")).count();
    assert_eq!(faults, 1, "one line for all of it");
    world.disk_fault = None;
    world.pass(600);
    assert_eq!(world.states(), [ReplicaState::Active; 2]);
    assert_eq!(world.machine.view(world.now).storage_fault, None);
    assert!(world.log().contains(&": the state is stored again".to_owned()));
}

#[test]
fn what_runs_goes_on_while_the_disk_fails() {
    let mut world = World::new(vec![owned("web", 2)]);
    world.pass(1_000);
    world.disk_fault = Some("read-only");
    world.crash(world.id("Server-1"));
    world.pass(5_000);
    assert_eq!(world.states(), [ReplicaState::Starting, ReplicaState::Active]);
    assert_eq!(world.running.len(), 1);
    world.disk_fault = None;
    world.pass(1_000);
    assert_eq!(world.states(), [ReplicaState::Active; 2]);
}

#[test]
fn versions_count_up_one_at_a_time_and_the_last_has_all() {
    let mut world = World::new(vec![owned("web", 5)]);
    world.pass(5_000);
    let versions: Vec<u64> = persists(&world).into_iter().map(|(_, version)| version).collect();
    assert!(versions.iter().copied().eq(1..=versions.len() as u64), "{versions:?}");
    assert_eq!(world.disk, world.machine.durable());
    assert!(versions.len() < 15, "{versions:?}");
}
