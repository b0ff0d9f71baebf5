//! The actions of one event, in the order in which they have to be done.

use super::event::{Action, Note};

/// Actions that were decided and not taken yet.
///
/// Of one event all that changes health bits by way of what is published now comes first, then one publication for
/// all, then what has to follow that.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    ready: Vec<Action>,
    publish: bool,
    after: Vec<Action>,
}

impl Outbox {
    /// An action that does not depend on what is published by the same event.
    pub(super) fn push(&mut self, action: Action) {
        self.ready.push(action);
    }

    /// The members have changed.
    pub(super) fn publish(&mut self) {
        self.publish = true;
    }

    /// An action that follows the event's publication.
    pub(super) fn push_after_publish(&mut self, action: Action) {
        self.after.push(action);
    }

    /// A line for the log.
    pub(super) fn log(&mut self, warning: bool, service: &str, replica: &str, text: String) {
        self.push(Action::Log(Note { warning, service: service.into(), replica: replica.into(), text }));
    }

    /// The event is dealt with.
    pub(super) fn close(&mut self) {
        if std::mem::take(&mut self.publish) {
            self.ready.push(Action::Publish);
        }
        self.ready.append(&mut self.after);
    }

    /// All actions so far.
    pub(super) fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::InstanceId;

    #[test]
    fn an_event_publishes_once_between_what_comes_before_and_what_follows() {
        let down = |id| Action::SetHealth { id: InstanceId(id), up: false };
        let idle = |id| Action::AwaitIdle { id: InstanceId(id) };
        let mut outbox = Outbox::default();
        for id in [1, 2] {
            outbox.push(down(id));
            outbox.publish();
            outbox.push_after_publish(idle(id));
        }
        outbox.close();
        outbox.push(down(3));
        outbox.close();
        assert_eq!(outbox.take(), [down(1), down(2), Action::Publish, idle(1), idle(2), down(3)]);
        assert!(outbox.take().is_empty());
    }
}
