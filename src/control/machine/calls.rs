//! An operator's call, from the question to the answer.

use std::time::Duration;

use super::call_queue::{Asked, CALLS_MAX, Pending, Waiting};
use super::event::{Action, CallId};
use super::owned::OwnedService;
use super::{Machine, Service};
use crate::base::replica_name::ReplicaName;
use crate::control::call::{Call, CallError};
use crate::control::desired::{self, Circumstances};

/// What a call that waits for the end of replicas allows beyond their time to drain and to stop: for the kill.
const KILL_BUDGET: Duration = Duration::from_secs(1);

impl Machine {
    pub(super) fn on_call(&mut self, asked: Asked) {
        let id = asked.id;
        if self.context.stopping {
            self.answer(id, Err(CallError::Stopping));
        } else if self.calls.ask(asked).is_err() {
            self.answer(id, Err(CallError::Busy(CALLS_MAX)));
        }
    }

    /// Looks at calls in their order, until one of them makes a change that has to become durable.
    pub(super) fn look_at_calls(&mut self) {
        while let Some(Asked { id, call, clock_ms }) = self.calls.next() {
            match self.propose(id, &call, clock_ms) {
                Ok(pending) => self.calls.pend(pending),
                Err(error) => self.answer(id, Err(error)),
            }
        }
    }

    fn propose(&mut self, id: CallId, call: &Call, clock_ms: u32) -> Result<Pending, CallError> {
        let (service, owned) = self.resolve(call.service.as_deref())?;
        let (Some(algorithm), name) = (owned.algorithm().copied(), owned.name()) else {
            return Err(CallError::NoService(owned.name().into()));
        };
        let leaving = owned.leaving();
        let members = self.context.storage.members(name).to_vec();
        let circumstances = Circumstances { algorithm: &algorithm, leaving: &leaving, clock_ms };
        let changed = desired::change(&members, &call.change, &circumstances, &mut self.context.random)?;
        Ok(Pending { id, service, changed, wait: call.wait, version: None })
    }

    /// The service that a call is about.
    fn resolve(&self, name: Option<&str>) -> Result<(usize, &OwnedService), CallError> {
        let services = || self.services.iter().enumerate();
        let owned = || {
            services().filter_map(|(index, service)| match service {
                Service::Owned(owned) if owned.algorithm().is_some() => Some((index, owned)),
                _ => None,
            })
        };
        let Some(name) = name else {
            let mut all = owned();
            return match (all.next(), all.next()) {
                (Some(only), None) => Ok(only),
                (Some(_), Some(_)) => {
                    let names: Vec<&str> = owned().map(|(_, owned)| owned.name()).collect();
                    Err(CallError::Ambiguous(names.join(", ")))
                }
                (None, _) => Err(self.nothing_owned()),
            };
        };
        let is_fixed = |(_, service): (usize, &Service)| matches!(service, Service::Fixed(fixed) if fixed.name() == name);
        match owned().find(|(_, owned)| owned.name() == name) {
            Some(found) => Ok(found),
            None if services().any(is_fixed) => Err(CallError::Static(name.into())),
            None => Err(CallError::NoService(name.into())),
        }
    }

    /// No service is named, and none is Ringway's own.
    fn nothing_owned(&self) -> CallError {
        let fixed: Vec<&str> = self
            .services
            .iter()
            .filter_map(|service| match service {
                Service::Fixed(fixed) => Some(fixed.name()),
                Service::Owned(_) => None,
            })
            .collect();
        if fixed.is_empty() {
            CallError::NoService("".into())
        } else {
            CallError::Static(fixed.join(", ").into())
        }
    }

    /// A call's change is durable: makes it true.
    pub(super) fn commit(&mut self, pending: Pending) {
        let Pending { id, service, changed, wait, .. } = pending;
        let Some(Service::Owned(owned)) = self.services.get_mut(service) else { return };
        self.context.storage.commit_members(owned.name(), &changed.members);
        let gone = changed.added.is_empty();
        let left = owned.commit(&changed, &mut self.context).into_iter().collect();
        let supervision = owned.supervision();
        let budget = match gone {
            true => supervision.drain + supervision.stop_timeout + KILL_BUDGET,
            false => supervision.startup,
        };
        if wait {
            self.calls.wait(Waiting { id, service, left, gone, since: self.context.now, budget });
        } else {
            self.answer_with_members(id, service);
        }
    }

    pub(super) fn end_waiting(&mut self) {
        let milestones = std::mem::take(&mut self.context.milestones);
        self.calls.note(&milestones);
        let now = self.context.now;
        for (waiting, complete) in self.calls.over(now, self.context.stopping) {
            if complete {
                self.answer_with_members(waiting.id, waiting.service);
            } else {
                self.answer(waiting.id, Err(CallError::NotInTime(now.since(waiting.since).as_secs())));
            }
        }
    }

    fn answer_with_members(&mut self, id: CallId, service: usize) {
        let Some(Service::Owned(owned)) = self.services.get(service) else { return };
        let members = self.context.storage.members(owned.name());
        let names: Vec<ReplicaName> = members.iter().map(|member| member.name.clone()).collect();
        self.answer(id, Ok(names));
    }

    pub(super) fn answer(&mut self, id: CallId, answer: Result<Vec<ReplicaName>, CallError>) {
        self.context.outbox.push(Action::Answer { id, answer });
    }
}
