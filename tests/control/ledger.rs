//! What was seen of a run, and which promise that breaks.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use ringway::base::time::Moment;

/// Violations that are kept: the first say what went wrong, the rest follows from it.
const VIOLATIONS_MAX: usize = 12;
/// Lines of the diary that a failure shows.
const DIARY_MAX: usize = 60;

/// All that is known of one run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) violations: Vec<String>,
    /// How often things were come across: a seed that reaches nothing shows nothing.
    pub(crate) reached: BTreeMap<&'static str, u64>,
    digest: DefaultHasher,
    /// Every event and action, if somebody wants to read them.
    pub(crate) diary: Option<Vec<String>>,
}

impl Ledger {
    pub(crate) fn accuse(&mut self, now: Moment, what: impl Into<String>) {
        if self.violations.len() < VIOLATIONS_MAX {
            let line = format!("{:.6} {}", now.since(Moment::ORIGIN).as_secs_f64(), what.into());
            self.note(now, || format!("VIOLATION {line}"));
            self.violations.push(line);
        }
    }

    pub(crate) fn reach(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    /// Something happened: it counts for the digest.
    pub(crate) fn mark(&mut self, now: Moment, what: &impl std::fmt::Debug) {
        now.as_nanos().hash(&mut self.digest);
        std::mem::discriminant(what).hash(&mut self.digest);
        self.note(now, || format!("{what:?}"));
    }

    /// A line for the diary.
    pub(crate) fn note(&mut self, now: Moment, line: impl FnOnce() -> String) {
        if let Some(diary) = &mut self.diary {
            diary.push(format!("{:.6} {}", now.since(Moment::ORIGIN).as_secs_f64(), line()));
        }
    }

    /// Adds to the digest what a discriminant does not show.
    pub(crate) fn weigh(&mut self, what: impl Hash) {
        what.hash(&mut self.digest);
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// The end of the diary.
    pub(crate) fn last_lines(&self) -> String {
        let lines = self.diary.as_deref().unwrap_or_default();
        lines[lines.len().saturating_sub(DIARY_MAX)..].join("\n")
    }
}
