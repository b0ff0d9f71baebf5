//! Replicas that come and go, again and again.

use std::fs;

use crate::containers::Service;
use crate::harness::clock::{Stopwatch, poll};
use crate::scene::Scene;
use crate::stage::names_of;

/// `RINGWAY_CYCLES` sets another number.
const CYCLES: usize = 10;
/// From here on memory is to be flat: the allocator has what it needs by then.
const SETTLED: usize = 3;
/// How much more may be resident at the end: a hundred cycles were seen to take 300 more, nearly all of them in the first
/// eight.
const MORE_KILOBYTES: u64 = 1_024;

#[test]
fn cycles_of_adding_and_removing_leave_nothing_behind() {
    let cycles = std::env::var("RINGWAY_CYCLES").map_or(CYCLES, |number| number.parse().expect("a number"));
    let Some(scene) = Scene::new(&Service { keys: "", replicas: "count = 1" }) else { return };
    let ringway = scene.start(&["Server-1"]);
    let (mut resident, mut descriptors) = (Vec::new(), Vec::new());
    let watch = Stopwatch::start();
    for _ in 0..cycles {
        let added = ringway.ask("POST /add?wait=active", r#"{"n": 2, "hostnames": ["a", "b"]}"#);
        assert_eq!(names_of(&added), ["Server-1", "a", "b"]);
        let removed = ringway.ask("DELETE /rm?wait=active", r#"{"n": 2, "hostnames": ["a", "b"]}"#);
        assert_eq!(names_of(&removed), ["Server-1"]);
        resident.push(resident_kilobytes(ringway.id()));
        descriptors.push(open_descriptors(ringway.id()));
    }
    println!("{cycles} cycles took {:?}", watch.elapsed());
    println!("resident kB: {resident:?}\ndescriptors: {descriptors:?}");
    scene.await_running(&["Server-1"]);
    assert_eq!(scene.networks().len(), 1);
    let settled = resident[SETTLED - 1];
    assert!(*resident.last().unwrap() <= settled + MORE_KILOBYTES, "{resident:?}");
    // Idle connections of the last cycle may be open still; none of an earlier one is.
    let settled = *descriptors[..SETTLED].iter().max().unwrap();
    poll("descriptors as before", || (open_descriptors(ringway.id()) <= settled).then_some(()));
    ringway.stop();
    assert!(scene.containers().is_empty() && scene.networks().is_empty());
}

fn resident_kilobytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn open_descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}
