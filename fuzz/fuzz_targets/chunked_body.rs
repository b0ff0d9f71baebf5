//! The chunked coding: see the checks for what it promises.
#![no_main]

#[path = "../../tests/shared/fuzzed/mod.rs"]
#[allow(dead_code, reason = "the other targets use the rest")]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::chunked_body::check(data));
