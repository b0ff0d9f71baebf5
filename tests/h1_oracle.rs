//! The parser of heads against another one, httparse, over generated and mutated heads.
//!
//! What ours accepts, httparse accepts and reads alike. What only ours refuses breaks one of the stricter rules in
//! [`reasons`], and each refusal is checked to be about a head that really breaks its rule. `RINGWAY_HEADS=n` compares n
//! heads of each kind, and prints how often each rule was met (with `--nocapture`); `RINGWAY_SEED=s` makes others.

#[path = "h1_oracle/heads.rs"]
mod heads;
#[path = "h1_oracle/reading.rs"]
mod reading;
#[path = "h1_oracle/reasons.rs"]
mod reasons;
#[path = "shared/seeds.rs"]
#[allow(dead_code, reason = "the simulations use the rest")]
mod shared;

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use ringway::h1::{FieldTable, HeadError, HeadLimits, Parse, parse_request, parse_response};
use ringway::message::{Fields, Version};

use reading::{Extent, Pair, Reading};
use reasons::{OF_REQUESTS, OF_RESPONSES, Reason, Refusal};

/// Heads of each kind, unless told.
const HEADS: u64 = 40_000;
/// In a run of this many every rule has to be met: one that is not explains nothing, or is not tested.
const BIG_RUN: u64 = 1_000_000;
/// The least part of the heads, in percent, that both accept: a comparison that sees none would prove nothing.
const ACCEPTED_PERCENT_MIN: u64 = 3;

const MUTATED: &str = "mutated";
const ACCEPTED: &str = "both accept, and read alike";
const REFUSED: &str = "both refuse";
const AWAITED: &str = "both wait for more";

/// How often what was met.
type Counts = RefCell<BTreeMap<&'static str, u64>>;

#[test]
fn requests_are_read_as_httparse_reads_them_or_refused_for_a_listed_reason() {
    compare("requests", heads::heads(heads::request_lines()), OF_REQUESTS, compare_request);
}

#[test]
fn responses_are_read_as_httparse_reads_them_or_refused_for_a_listed_reason() {
    compare("responses", heads::heads(heads::status_lines()), OF_RESPONSES, compare_response);
}

/// Compares heads and judges the counts.
fn compare(
    kind: &str,
    heads: impl Strategy<Value = (Vec<u8>, bool)>,
    reasons: &'static [Reason],
    compare: fn(&[u8]) -> Result<&'static str, TestCaseError>,
) {
    let number = shared::variable("RINGWAY_HEADS").unwrap_or(HEADS);
    let cases = u32::try_from(number).expect("a number of 32 bits");
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&shared::variable("RINGWAY_SEED").unwrap_or(0).to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let counts = Counts::default();
    let result = runner.run(&heads, |(bytes, mutated)| {
        let met = compare(&bytes)?;
        let mut counts = counts.borrow_mut();
        *counts.entry(met).or_default() += 1;
        *counts.entry(MUTATED).or_default() += u64::from(mutated);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    judge(kind, number, &counts.borrow(), reasons);
}

fn judge(kind: &str, number: u64, counts: &BTreeMap<&'static str, u64>, reasons: &[Reason]) {
    let count = |name| counts.get(name).copied().unwrap_or(0);
    println!("{number} {kind}");
    for name in [MUTATED, ACCEPTED, REFUSED, AWAITED] {
        println!("{:>10}  {name}", count(name));
    }
    for reason in reasons {
        println!("{:>10}  only ours refuses: {}", count(reason.name), reason.name);
    }
    let accepted = count(ACCEPTED) * 100 / number.max(1);
    assert!(accepted >= ACCEPTED_PERCENT_MIN, "only {accepted} % of the {kind} are accepted");
    let never: Vec<&str> = reasons.iter().map(|reason| reason.name).filter(|name| count(name) == 0).collect();
    assert!(number < BIG_RUN || never.is_empty(), "{kind} never refused for: {never:?}");
}

fn compare_request(bytes: &[u8]) -> Result<&'static str, TestCaseError> {
    let mut table = FieldTable::new();
    let reading = Reading::of_request(bytes);
    match parse_request(bytes, &mut table, &HeadLimits::default()) {
        Ok(Parse::Complete { head, length }) => {
            prop_assert_eq!(reading.extent, Extent::Whole(length));
            prop_assert_eq!(head.method_token, reading.method.as_bytes());
            prop_assert_eq!(head.target.raw(), reading.target.as_bytes());
            prop_assert_eq!(minor(head.version), reading.version);
            prop_assert_eq!(our_pairs(&head.fields), reading.fields);
            Ok(ACCEPTED)
        }
        Ok(Parse::Partial) => awaited(&reading),
        Err(error) => refused(error, bytes, &reading, OF_REQUESTS),
    }
}

fn compare_response(bytes: &[u8]) -> Result<&'static str, TestCaseError> {
    let mut table = FieldTable::new();
    let reading = Reading::of_response(bytes);
    match parse_response(bytes, &mut table, &HeadLimits::default()) {
        Ok(Parse::Complete { head, length }) => {
            prop_assert_eq!(reading.extent, Extent::Whole(length));
            prop_assert_eq!(head.status.number(), reading.status);
            prop_assert_eq!(minor(head.version), reading.version);
            // httparse gives no reason that is not ASCII.
            let reason = if head.reason.is_ascii() { head.reason } else { b"" };
            prop_assert_eq!(reason, reading.reason.as_bytes());
            prop_assert_eq!(our_pairs(&head.fields), reading.fields);
            Ok(ACCEPTED)
        }
        Ok(Parse::Partial) => awaited(&reading),
        Err(error) => refused(error, bytes, &reading, OF_RESPONSES),
    }
}

fn awaited(reading: &Reading) -> Result<&'static str, TestCaseError> {
    prop_assert_eq!(reading.extent, Extent::Partial, "ours waits for more");
    Ok(AWAITED)
}

/// Why ours refuses what httparse accepts, or may still accept.
fn refused(
    error: HeadError,
    bytes: &[u8],
    reading: &Reading,
    reasons: &[Reason],
) -> Result<&'static str, TestCaseError> {
    if reading.extent == Extent::Refused {
        return Ok(REFUSED);
    }
    let refusal = Refusal { error, bytes, reading };
    let reason = reasons.iter().find(|reason| (reason.explains)(&refusal));
    prop_assert!(reason.is_some(), "{error:?} is not in the list, httparse: {:?}", reading.extent);
    Ok(reason.map_or("", |reason| reason.name))
}

fn our_pairs(fields: &Fields<'_>) -> Vec<Pair> {
    fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect()
}

const fn minor(version: Version) -> u8 {
    match version {
        Version::Http10 => 0,
        Version::Http11 => 1,
    }
}
