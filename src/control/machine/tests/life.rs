//! From a start to the end, and back.

use super::world::{World, owned};
use crate::control::machine::event::Action;
use crate::control::view::ReplicaState;

#[test]
fn replicas_start_and_serve() {
    let mut world = World::new(vec![owned("web", 3)]);
    world.pass(100);
    assert_eq!(world.names(), ["Server-1", "Server-2", "Server-3"]);
    assert_eq!(world.states(), [ReplicaState::Active; 3]);
    for (_, action) in &world.history {}
    assert!(world.count(|action| matches!(action, Action::Publish)) > 0);
}
