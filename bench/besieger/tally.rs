//! What happened how often, by name; printed as a line of JSON a second.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

const FAULTS_SHOWN_MAX: usize = 20;

/// Counts that all tasks of the thread share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Rc<RefCell<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    by_name: BTreeMap<String, u64>,
    faults: Vec<String>,
}

impl Tally {
    /// One more of these.
    pub(crate) fn add(&self, name: &str) {
        let mut counts = self.0.borrow_mut();
        match counts.by_name.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(counts.by_name.insert(name.to_owned(), 1)),
        }
    }

    /// One fewer: of what is counted while it lasts.
    pub(crate) fn remove(&self, name: &str) {
        if let Some(count) = self.0.borrow_mut().by_name.get_mut(name) {
            *count -= 1;
        }
    }

    /// Something that must not happen; the first few are kept as told.
    pub(crate) fn fault(&self, told: String) {
        self.add("faults");
        let mut counts = self.0.borrow_mut();
        if counts.faults.len() < FAULTS_SHOWN_MAX {
            counts.faults.push(told);
        }
    }

    /// Whether nothing was wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.0.borrow().faults.is_empty()
    }

    pub(crate) fn json(&self) -> Value {
        let counts = self.0.borrow();
        json!({ "counts": counts.by_name, "faults": counts.faults })
    }

    /// Prints how things stand once a second until `ended`, and then once more.
    pub(crate) async fn print_until(&self, ended: impl Future<Output = ()>) {
        let mut ended = std::pin::pin!(ended);
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            let over = tokio::select! {
                () = &mut ended => true,
                _ = second.tick() => false,
            };
            // Nobody may read it any more.
            let _ = writeln!(std::io::stdout(), "{}", self.json());
            if over {
                return;
            }
        }
    }
}
