//! Heads of answers: see the checks for what they promise.
#![no_main]

#[path = "../../tests/shared/fuzzed/mod.rs"]
#[allow(dead_code, reason = "the other targets use the rest")]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::response_head::check(data));
