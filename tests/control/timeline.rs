//! Virtual time: what happens, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use ringway::base::time::Moment;
use ringway::control::machine::event::Event;
use ringway::engine::simulated::Random;
use ringway::provider::{Instance, Record};

use crate::provider::Pid;
use crate::trouble::Trouble;

/// Which run of Ringway it is: each crash and each stop ends one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Life(pub(crate) u32);

/// Something that comes to pass. What belongs to one life of Ringway does not outlive it.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// The machine is told.
    Told(Life, Event),
    /// The write of the state file is over.
    Written(Life),
    /// The provider has come to do a start.
    Spawned(Life, Instance),
    /// The provider has looked for an instance of an earlier life.
    Searched(Life, Instance, Option<Record>),
    /// A process listens.
    Listens(Pid),
    /// A process ends.
    Exits(Pid, &'static str),
    /// A spell of ill health is over, if it is still the one of this number.
    Recovers(Pid, u64),
    /// A heartbeat reaches its address.
    Probed(Life, Probed),
    /// A core takes a published generation.
    Taken(Life, usize, u64),
    /// A client asks for something.
    Requested,
    /// An exchange is over.
    Responded(Life, u64),
    /// Something goes wrong, or an operator does something.
    Trouble(Trouble),
    /// Ringway is started.
    Begins,
    /// The spell of a slow control thread is over.
    Hurries,
}

/// A heartbeat on its way.
#[derive(Clone, Debug)]
pub(crate) struct Probed {
    pub(crate) id: ringway::provider::InstanceId,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) connect_only: bool,
    pub(crate) sent: Moment,
    pub(crate) timeout: Duration,
}

/// The clock, what is to come, and chance.
#[derive(Debug)]
pub(crate) struct Timeline {
    now: Moment,
    sequence: u64,
    queue: BTreeMap<(Moment, u64), Happening>,
    pub(crate) random: Random,
}

impl Timeline {
    pub(crate) fn new(seed: u64) -> Self {
        Timeline { now: Moment::ORIGIN, sequence: 0, queue: BTreeMap::new(), random: Random::new(seed) }
    }

    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// Time goes on; it never goes back.
    pub(crate) fn advance(&mut self, to: Moment) {
        self.now = self.now.max(to);
    }

    pub(crate) fn at(&mut self, moment: Moment, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((moment.max(self.now), self.sequence), happening);
    }

    pub(crate) fn after(&mut self, delay: Duration, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    /// A delay below `most`.
    pub(crate) fn within(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.random.below(most.as_micros() as u64 + 1))
    }

    /// After a random delay below `most`.
    pub(crate) fn soon(&mut self, most: Duration, happening: Happening) {
        let delay = self.within(most);
        self.after(delay, happening);
    }

    pub(crate) fn next(&self) -> Option<Moment> {
        self.queue.first_key_value().map(|((moment, _), _)| *moment)
    }

    /// The next happening; it is its moment now.
    pub(crate) fn pop(&mut self) -> Option<Happening> {
        let ((moment, _), happening) = self.queue.pop_first()?;
        self.advance(moment);
        Some(happening)
    }
}
