//! The configuration file changes while Ringway is away, and what it says is what there is afterwards.

use std::time::Duration;

use super::scene::{add, answer, ask, begin, end, living, millis, world};
use crate::operator::members;
use crate::stage::owned;
use crate::timeline::Happening;
use crate::trouble::{Edit, Trouble};
use crate::world::World;

fn edit_and_restart(world: &mut World, edit: Edit) {
    let now = world.now();
    world.timeline.at(now, Happening::Trouble(Trouble::Edit(edit)));
    world.run(Duration::ZERO);
    world.crash(millis(10));
    begin(world);
}

#[test]
fn calls_win_over_the_count_until_its_line_changes() {
    let mut world = world(vec![owned("web", 2)]);
    let id = ask(&mut world, add(&["a", "b"]), true);
    answer(&mut world, id).expect("it is made");
    edit_and_restart(&mut world, Edit::Count("web", 2));
    let mut world = end(world);
    assert_eq!(living(&world, "web").len(), 4, "the line says what it said");
    let before = living(&world, "web");
    edit_and_restart(&mut world, Edit::Count("web", 3));
    let mut world = end(world);
    let after = living(&world, "web");
    assert_eq!(after.len(), 3);
    assert!(after.iter().all(|(name, pid)| before.get(name) == Some(pid)), "those that stay go on");
    edit_and_restart(&mut world, Edit::Count("web", 5));
    let world = end(world);
    let last = living(&world, "web");
    assert_eq!(last.len(), 5);
    assert!(after.iter().all(|(name, pid)| last.get(name) == Some(pid)), "those that were there go on");
}

#[test]
fn the_replicas_of_a_service_that_left_the_file_end_and_it_comes_back_with_its_count() {
    let mut world = world(vec![owned("web", 2), owned("api", 2)]);
    let web = living(&world, "web");
    edit_and_restart(&mut world, Edit::Leave("api"));
    let mut world = end(world);
    assert!(living(&world, "api").is_empty());
    assert!(members(world.disk.held(), "api").is_empty());
    edit_and_restart(&mut world, Edit::Return("api"));
    let world = end(world);
    assert_eq!(living(&world, "api").len(), 2);
    assert_eq!(living(&world, "web"), web);
}

#[test]
fn a_service_that_comes_back_before_its_replicas_have_ended_is_never_there_twice() {
    let mut world = world(vec![owned("web", 1), owned("api", 3)]);
    for wait in [0, 20, 60, 100, 300] {
        edit_and_restart(&mut world, Edit::Leave("api"));
        world.run(millis(wait));
        edit_and_restart(&mut world, Edit::Return("api"));
        world = end(world);
        assert_eq!(living(&world, "api").len(), 3);
    }
}
