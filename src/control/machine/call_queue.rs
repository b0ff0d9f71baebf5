//! An operator's calls: one change at a time is on its way to the disk, the next ones wait their turn, and those that were
//! asked to wait for the replicas do.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::context::Milestone;
use super::event::CallId;
use super::timers::Place;
use crate::base::time::Moment;
use crate::control::call::Call;
use crate::control::desired::Changed;

/// The most calls that wait their turn.
pub(super) const CALLS_MAX: usize = 256;

/// All calls that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Calls {
    queue: VecDeque<Asked>,
    pending: Option<Pending>,
    waiting: Vec<Waiting>,
}

/// A call that was not looked at yet.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: CallId,
    pub(super) call: Call,
    pub(super) clock_ms: u32,
}

/// A change that is not durable yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: CallId,
    /// The service, by its place.
    pub(super) service: usize,
    pub(super) changed: Changed,
    pub(super) wait: bool,
    /// Which version of the durable state has it.
    pub(super) version: Option<u64>,
}

/// A call whose change is made, and whose replicas are not all where they shall be.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: CallId,
    pub(super) service: usize,
    pub(super) left: BTreeSet<Place>,
    /// Whether they shall be gone; else active.
    pub(super) gone: bool,
    pub(super) since: Moment,
    pub(super) budget: Duration,
}

impl Calls {
    /// Takes a call; gives it back if too many wait.
    pub(super) fn ask(&mut self, asked: Asked) -> Result<(), CallId> {
        if self.queue.len() >= CALLS_MAX {
            return Err(asked.id);
        }
        self.queue.push_back(asked);
        Ok(())
    }

    /// The next call, if none is pending.
    pub(super) fn next(&mut self) -> Option<Asked> {
        if self.pending.is_some() { None } else { self.queue.pop_front() }
    }

    /// The change that is to be made durable.
    pub(super) fn pend(&mut self, pending: Pending) {
        self.pending = Some(pending);
    }

    /// The change that no version of the durable state has yet.
    pub(super) fn unsent(&mut self) -> Option<&mut Pending> {
        self.pending.as_mut().filter(|pending| pending.version.is_none())
    }

    /// The change that `version`, or one before it, has.
    pub(super) fn conclude(&mut self, version: u64) -> Option<Pending> {
        self.pending.take_if(|pending| pending.version.is_some_and(|sent| sent <= version))
    }

    /// All calls whose change is not on its way yet.
    pub(super) fn refuse(&mut self) -> Vec<CallId> {
        let unsent = self.pending.take_if(|pending| pending.version.is_none());
        unsent
            .map(|pending| pending.id)
            .into_iter()
            .chain(self.queue.drain(..).map(|asked| asked.id))
            .collect()
    }

    /// Waits for replicas.
    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    /// Tells those that wait what has come to be.
    pub(super) fn note(&mut self, milestones: &[Milestone]) {
        for waiting in &mut self.waiting {
            for milestone in milestones {
                match milestone {
                    Milestone::Active(place) if !waiting.gone => _ = waiting.left.remove(place),
                    Milestone::Active(_) => {}
                    Milestone::Gone(place) => _ = waiting.left.remove(place),
                }
            }
        }
    }

    /// The calls whose waiting is over: `true` beside those that have what they waited for.
    pub(super) fn over(&mut self, now: Moment, stopping: bool) -> Vec<(Waiting, bool)> {
        let is_over = |waiting: &mut Waiting| waiting.left.is_empty() || waiting.until() <= now || stopping;
        let over = self.waiting.extract_if(.., is_over);
        over.map(|waiting| {
            let complete = waiting.left.is_empty();
            (waiting, complete)
        })
        .collect()
    }

    /// When waiting ends at the latest.
    pub(super) fn deadline(&self) -> Moment {
        self.waiting.iter().map(Waiting::until).min().unwrap_or(Moment::NEVER)
    }
}

impl Waiting {
    fn until(&self) -> Moment {
        self.since + self.budget
    }
}
