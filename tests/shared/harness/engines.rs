//! Which engines there are to test, and whether the program has them here.

use std::io::Write;
use std::sync::OnceLock;

use super::proxy::Attempt;

/// The engine that a test runs the program on: a value of the configuration's `engine`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Engine(pub(crate) &'static str);

/// Makes every skipped test a failure.
const REQUIRE_ALL: &str = "RINGWAY_TEST_REQUIRE_ALL";

/// Runs a scenario on an engine, or says why not.
pub(crate) fn run(engine: &'static str, refusal: &'static OnceLock<Option<String>>, scenario: fn(Engine)) {
    let engine = Engine(engine);
    let refused = refusal.get_or_init(|| {
        let refused = refusal_of(engine);
        if let Some(reason) = &refused {
            skip(engine.0, reason);
        }
        refused
    });
    match refused {
        None => scenario(engine),
        Some(_) => assert!(!all_required(), "{REQUIRE_ALL} is set, and the program has no {}", engine.0),
    }
}

/// Why the program does not run on this engine here; the error has to name the engine.
fn refusal_of(engine: Engine) -> Option<String> {
    match Attempt::start(engine, 1, "").outcome() {
        Ok(_) => None,
        Err(failed) if failed.log.contains(engine.0) && engine.0 == "io_uring" => Some(failed.log),
        Err(failed) => panic!("the program does not start on {}: {}", engine.0, failed.log),
    }
}

/// Says that something is not tested here.
///
/// # Panics
/// When [`REQUIRE_ALL`] is set.
pub(crate) fn skip(what: &str, reason: &str) {
    // Not by println: a test that passes would keep it to itself.
    let _ = writeln!(std::io::stderr(), "SKIP {what}: {}", reason.trim());
    assert!(!all_required(), "{REQUIRE_ALL} is set, and {what} was skipped: {reason}");
}

fn all_required() -> bool {
    std::env::var_os(REQUIRE_ALL).is_some_and(|value| value == "1")
}
