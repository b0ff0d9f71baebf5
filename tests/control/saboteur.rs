//! Faults that are planted between the machine and the world, to show that the ledger finds such things.

use ringway::control::durable::DurableState;
use ringway::control::machine::event::{Action, Event};
use ringway::provider::{Ending, InstanceId};

/// What is planted in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// A write counts as done when it is ordered.
    EarlyPersisted,
    /// The state file does not hold instances.
    NoIntents,
    /// A start is done twice.
    DoubleStart,
    /// A start finds no child of an earlier run.
    BlindAdoption,
    /// Publications that take an address out do not reach the cores.
    StuckPublication,
    /// Instances count as idle at once.
    EarlyIdle,
    /// Calls are answered twice.
    DoubleAnswer,
    /// Calls are not answered.
    NoAnswer,
    /// The state file keeps the members that it had first.
    StaleMembers,
    /// The answers that clients get are not told, so that load looks like death.
    HiddenAnswers,
    /// How late the control thread is is not told, so that its own slowness looks like death.
    HiddenLag,
    /// A replica is killed now and then for no reason.
    RandomKill,
    /// Nobody is asked; all are killed.
    KillInsteadOfAsk,
    /// Nobody is ended.
    NoEnd,
    /// Exits are not reported.
    NoEnded,
    /// Health is never set.
    NoHealth,
    /// An address is published that nobody listens at.
    WrongAddress,
    /// A restart reads a file of an earlier day.
    OldFile,
    /// Each heartbeat is sent many times.
    BusyHeartbeats,
}

/// Sits between the machine and the world.
#[derive(Debug, Default)]
pub(crate) struct Saboteur {
    pub(crate) plant: Option<Plant>,
    actions: u64,
    last_heard: Option<InstanceId>,
    pub(crate) old_file: Option<DurableState>,
}

impl Saboteur {
    pub(crate) fn new(plant: Option<Plant>) -> Self {
        Saboteur { plant, ..Saboteur::default() }
    }

    pub(crate) fn is(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// What becomes of an action.
    pub(crate) fn action(&mut self, action: Action) -> Vec<Action> {
        self.actions += 1;
        let Some(plant) = self.plant else { return vec![action] };
        match (plant, action) {
            (Plant::DoubleAnswer, action @ Action::Answer { .. }) => vec![action.clone(), action],
            (Plant::NoAnswer, Action::Answer { .. }) | (Plant::NoEnd, Action::End { .. }) => Vec::new(),
            (Plant::NoHealth, Action::SetHealth { up: true, .. }) => Vec::new(),
            (Plant::KillInsteadOfAsk, Action::End { id, service, ending: Ending::Ask }) => {
                vec![Action::End { id, service, ending: Ending::Kill }]
            }
            (Plant::BusyHeartbeats, action @ Action::Heartbeat { .. }) => vec![action; 400],
            (Plant::RandomKill, action @ Action::Heartbeat { .. }) if self.actions.is_multiple_of(97) => {
                let kill =
                    self.last_heard.map(|id| Action::End { id, service: "web".into(), ending: Ending::Kill });
                std::iter::once(action).chain(kill).collect()
            }
            (_, action) => vec![action],
        }
    }

    /// What the machine hears instead of an event, if anything.
    pub(crate) fn event(&mut self, mut event: Event) -> Option<Event> {
        if let Event::Heartbeat(heartbeat) = &mut event {
            if heartbeat.answered {
                self.last_heard = Some(heartbeat.id);
            }
            match self.plant {
                Some(Plant::HiddenAnswers) => heartbeat.answers = 0,
                Some(Plant::HiddenLag) => heartbeat.lag = std::time::Duration::ZERO,
                _ => {}
            }
        }
        let is_ended = matches!(&event, Event::Provider(ringway::provider::ProviderEvent::Ended { .. }));
        (!(is_ended && self.is(Plant::NoEnded))).then_some(event)
    }
}
