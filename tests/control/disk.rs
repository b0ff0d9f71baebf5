//! The state file: what a write that takes time, fails, or is cut off by a crash leaves of it.

use std::time::Duration;

use ringway::base::time::Moment;
use ringway::control::durable::DurableState;
use ringway::control::machine::event::Event;

use crate::timeline::{Happening, Life, Timeline};

/// A write takes less than this.
const WRITE: Duration = Duration::from_millis(8);
/// Now and then it takes up to this.
const SLOW_WRITE: Duration = Duration::from_millis(400);

/// The disk under the state directory.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    held: DurableState,
    writing: Option<(u64, DurableState)>,
    full_until: Moment,
    /// The share of writes that take long.
    pub(crate) slow: f64,
    /// The share of failures that come when the file is written already.
    pub(crate) late: f64,
    /// Planted: success is reported when the write begins.
    pub(crate) lies: bool,
    /// Planted: nothing is written of instances.
    pub(crate) forgets_instances: bool,
    /// Planted: members are as they were first.
    pub(crate) keeps_members: bool,
}

impl Disk {
    /// What a restart reads.
    pub(crate) fn held(&self) -> &DurableState {
        &self.held
    }

    pub(crate) fn is_full(&self, now: Moment) -> bool {
        now < self.full_until
    }

    pub(crate) fn fill_until(&mut self, until: Moment) {
        self.full_until = until;
    }

    /// Whether all that was to be written is.
    pub(crate) fn is_idle(&self) -> bool {
        self.writing.is_none()
    }

    /// Begins a write; there is one at a time.
    pub(crate) fn persist(&mut self, version: u64, state: DurableState, life: Life, timeline: &mut Timeline) {
        self.writing = Some((version, state));
        if self.lies {
            let event = Event::Persisted { version, result: Ok(()) };
            timeline.after(Duration::ZERO, Happening::Told(life, event));
        }
        let most = if timeline.random.chance(self.slow) { SLOW_WRITE } else { WRITE };
        timeline.soon(most, Happening::Written(life));
    }

    /// The write is over: what the machine hears of it.
    pub(crate) fn written(&mut self, timeline: &mut Timeline) -> Option<Event> {
        let (version, state) = self.writing.take()?;
        let result = if self.is_full(timeline.now()) {
            if timeline.random.chance(self.late) {
                self.hold(state);
            }
            Err("no space left on the device".to_owned())
        } else {
            self.hold(state);
            Ok(())
        };
        (!self.lies).then_some(Event::Persisted { version, result })
    }

    /// Ringway is gone: the write under way came through or not.
    pub(crate) fn crash(&mut self, timeline: &mut Timeline) {
        if let Some((_, state)) = self.writing.take()
            && !self.is_full(timeline.now())
            && timeline.random.chance(0.5)
        {
            self.hold(state);
        }
    }

    fn hold(&mut self, mut state: DurableState) {
        for (name, service) in &mut state.services {
            if let Some(held) = self.held.services.get(name).filter(|_| self.keeps_members) {
                service.members.clone_from(&held.members);
            }
        }
        if self.forgets_instances {
            state.services.values_mut().for_each(|service| service.instances.clear());
        }
        self.held = state;
    }

    /// What a restart reads, through the format of the file.
    pub(crate) fn read(&self) -> DurableState {
        let written = serde_json::to_string(&self.held).expect("the state can be written");
        serde_json::from_str(&written).expect("what was written can be read")
    }

    /// Planted: an operator copies an old file back.
    pub(crate) fn replace(&mut self, state: DurableState) {
        self.held = state;
    }
}
