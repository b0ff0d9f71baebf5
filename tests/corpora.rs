//! The fuzz targets' committed inputs, through the functions that the targets call: what was found once stays found, and no
//! target rots. `fuzz/README.md` tells how more are looked for.
#![allow(clippy::unwrap_used, reason = "a test that panics names its line")]

#[path = "shared/fuzzed/mod.rs"]
mod fuzzed;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Fewer inputs than this in a corpus say that it was lost.
const INPUTS_MIN: usize = 20;

#[test]
fn every_committed_input_keeps_what_its_target_promises() {
    let mut broken = Vec::new();
    for (target, check) in fuzzed::TARGETS {
        let inputs = inputs(target);
        assert!(inputs.len() >= INPUTS_MIN, "{target}: only {} inputs", inputs.len());
        for path in inputs {
            let input = fs::read(&path).unwrap();
            if catch_unwind(AssertUnwindSafe(|| check(&input))).is_err() {
                broken.push(path);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
