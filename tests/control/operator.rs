//! What operators asked for, and what that makes of the replicas that there shall be.

use std::collections::{BTreeMap, BTreeSet};

use ringway::base::time::Moment;
use ringway::control::call::{Call, CallAnswer, CallError, Change};
use ringway::control::durable::DurableState;
use ringway::control::machine::event::CallId;
use ringway::control::machine::plan::{ReplicasPlan, ServicePlan};

use crate::ledger::Ledger;

/// More calls than this at once are not told apart any more.
const SUBSETS_MAX: usize = 8;

/// What must become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Refused,
    Made,
    Either,
}

#[derive(Clone, Debug)]
struct Pending {
    service: Option<Box<str>>,
    change: Change,
    wait: bool,
    expected: Expected,
}

/// The members of one service as the operators know them.
#[derive(Clone, Debug, Default)]
struct Desired {
    /// At the last moment without a call under way.
    base: Vec<String>,
    /// What the file held when this life began, until it holds `base`.
    before: Option<Vec<String>>,
    /// What was answered since.
    done: Vec<Change>,
    /// What was refused because it could not be stored: until the next write the file may have it.
    doubtful: Vec<Change>,
}

/// All calls, and what they came to.
#[derive(Debug, Default)]
pub(crate) struct Operator {
    next: u64,
    pending: BTreeMap<CallId, Pending>,
    services: BTreeMap<Box<str>, Desired>,
    /// What each service had when it was last in the configuration.
    last: BTreeMap<Box<str>, Vec<String>>,
}

/// The names of the members that a state has of a service.
pub(crate) fn members(state: &DurableState, service: &str) -> Vec<String> {
    let members = state.services.get(service).map(|service| &*service.members).unwrap_or_default();
    members.iter().map(|member| member.name.as_str().to_owned()).collect()
}

fn parts(change: &Change) -> (i64, &[String]) {
    match change {
        Change::Add { n, names } => (*n, names),
        Change::Remove { n, names } => (-*n, names),
    }
}

/// Whether `after` is what all of `changes` may make of `before`.
fn explains(before: &[String], changes: &[&Change], after: &[String]) -> bool {
    let named = |adds: bool| -> BTreeSet<&String> {
        let of_kind = changes.iter().filter(|change| matches!(change, Change::Add { .. }) == adds);
        of_kind.flat_map(|change| parts(change).1).collect()
    };
    let unnamed = |adds: bool| -> i64 {
        let of_kind = changes.iter().filter(|change| matches!(change, Change::Add { .. }) == adds);
        of_kind.map(|change| parts(change).0.abs() - parts(change).1.len() as i64).sum()
    };
    let (added, removed) = (named(true), named(false));
    let length = before.len() as i64 + changes.iter().map(|change| parts(change).0).sum::<i64>();
    let came = after.iter().filter(|name| !before.contains(name) && !added.contains(name)).count() as i64;
    let went = before.iter().filter(|name| !after.contains(name) && !removed.contains(name)).count() as i64;
    let is_named = |name: &&String| removed.contains(*name) || added.contains(*name);
    let stayed = || before.iter().filter(|name| after.contains(name) && !is_named(name));
    length == after.len() as i64
        && came <= unnamed(true)
        && went <= unnamed(false)
        && (unnamed(false) > 0 || added.iter().all(|name| after.contains(name) || removed.contains(*name)))
        && removed.iter().all(|name| !after.contains(name) || added.contains(*name))
        && after.iter().filter(|name| before.contains(name) && !is_named(name)).eq(stayed())
}

/// Whether all of `sure` and some of `perhaps` make `after` of `before`.
fn may_explain(before: &[String], sure: &[&Change], perhaps: &[&Change], after: &[String]) -> bool {
    perhaps.len() > SUBSETS_MAX
        || (0..1_u32 << perhaps.len()).any(|mask| {
            let some = perhaps.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
            let changes: Vec<&Change> = sure.iter().copied().chain(some.map(|(_, change)| *change)).collect();
            explains(before, &changes, after)
        })
}

impl Operator {
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Ringway begins: what the machine makes of the file and of what was held.
    pub(crate) fn begin(
        &mut self,
        plans: &[ServicePlan],
        held: &DurableState,
        begun: &DurableState,
        now: Moment,
        ledger: &mut Ledger,
    ) {
        let former = std::mem::take(&mut self.services);
        for plan in plans {
            let ReplicasPlan::Owned { count, .. } = plan.replicas else { continue };
            let (base, was) = (members(begun, &plan.name), members(held, &plan.name));
            if let Some(Desired { base: last, .. }) = former.get(&plan.name)
                && *last != was
            {
                ledger.accuse(
                    now,
                    format!("{last:?} was on the disk, and {was:?} is when Ringway begins again"),
                );
            }
            let known = held.services.get(&plan.name);
            let is_kept = known.is_some_and(|known| known.count == count as u64);
            let is_right = match former.contains_key(&plan.name) {
                true if is_kept => base == was,
                true => {
                    let shared = was.iter().filter(|name| base.contains(name)).count();
                    base.len() == count && shared == was.len().min(count)
                }
                // It begins anew, unless nobody has noticed that it had left.
                false => base.len() == count || (base == was && self.last.get(&plan.name) == Some(&was)),
            };
            if !is_right {
                let name = &plan.name;
                ledger.accuse(now, format!("{name}, count {count}: {was:?} was held and becomes {base:?}"));
            }
            self.last.insert(plan.name.clone(), base.clone());
            let before = (base != was).then_some(was);
            self.services.insert(plan.name.clone(), Desired { base, before, ..Desired::default() });
        }
    }

    /// A call goes out.
    pub(crate) fn call(&mut self, call: &Call, plans: &[ServicePlan]) -> CallId {
        self.next += 1;
        let id = CallId(self.next);
        let owned: Vec<&ServicePlan> =
            plans.iter().filter(|plan| matches!(plan.replicas, ReplicasPlan::Owned { .. })).collect();
        let service = match &call.service {
            Some(name) => owned.iter().find(|plan| plan.name == *name).map(|plan| plan.name.clone()),
            None => (owned.len() == 1).then(|| owned[0].name.clone()),
        };
        let expected =
            service.as_ref().map_or(Expected::Refused, |service| self.expect(service, &call.change));
        let Call { change, wait, .. } = call.clone();
        self.pending.insert(id, Pending { service, change, wait, expected });
        id
    }

    fn expect(&self, service: &str, change: &Change) -> Expected {
        let (n, names) = (parts(change).0.abs(), parts(change).1);
        let is_valid = match change {
            Change::Add { n, .. } | Change::Remove { n, .. } => *n > 0,
        };
        let distinct: BTreeSet<&String> = names.iter().collect();
        if !is_valid || names.len() as i64 > n || distinct.len() < names.len() {
            return Expected::Refused;
        }
        if names.iter().any(|name| name.parse::<ringway::base::replica_name::ReplicaName>().is_err()) {
            return Expected::Refused;
        }
        let Some(desired) = self.services.get(service) else { return Expected::Refused };
        if self.of(service).next().is_some() || !desired.done.is_empty() {
            return Expected::Either;
        }
        let (base, known) = (&desired.base, |name: &&String| desired.base.contains(name));
        match change {
            Change::Add { .. } if distinct.iter().any(&known) => Expected::Refused,
            // A name may still be on its way out, and there may be too many.
            Change::Add { .. } => Expected::Either,
            Change::Remove { .. } if n > base.len() as i64 => Expected::Refused,
            Change::Remove { .. } if !distinct.iter().all(&known) => Expected::Refused,
            Change::Remove { .. } => Expected::Made,
        }
    }

    /// The replicas for whose end a call waits, if it does.
    pub(crate) fn awaits_end_of(&self, id: CallId) -> Option<(&str, &[String])> {
        let call = self.pending.get(&id).filter(|call| call.wait)?;
        match &call.change {
            Change::Remove { names, .. } => Some((call.service.as_deref()?, names)),
            Change::Add { .. } => None,
        }
    }

    fn of(&self, service: &str) -> impl Iterator<Item = &Change> {
        let is_its = move |pending: &&Pending| pending.service.as_deref() == Some(service);
        self.pending.values().filter(is_its).map(|pending| &pending.change)
    }

    /// The machine answers, while the disk holds `held`.
    pub(crate) fn answered(
        &mut self,
        id: CallId,
        answer: &CallAnswer,
        held: &DurableState,
        now: Moment,
        ledger: &mut Ledger,
    ) {
        let Some(call) = self.pending.remove(&id) else {
            return ledger.accuse(now, format!("{id:?} is answered, and nothing was asked: {answer:?}"));
        };
        ledger.reach(match answer {
            Ok(_) if call.wait => "call waited for",
            Ok(_) => "call made",
            Err(CallError::NotInTime(_)) => "call not in time",
            Err(CallError::Storage(_)) => "call refused for storage",
            Err(CallError::Stopping) => "call refused while stopping",
            Err(_) => "call refused",
        });
        let is_made = matches!(answer, Ok(_) | Err(CallError::NotInTime(_)));
        let blames = answer.as_ref().is_err_and(CallError::is_callers);
        match call.expected {
            Expected::Refused if is_made => {
                ledger.accuse(now, format!("{call:?} is answered with {answer:?}"))
            }
            Expected::Made if blames => ledger.accuse(now, format!("{call:?} is refused: {answer:?}")),
            _ => {}
        }
        let Some(service) = call.service.clone() else { return };
        if let (Err(CallError::Storage(_)), Some(desired)) = (answer, self.services.get_mut(&service)) {
            desired.doubtful.push(call.change.clone());
        }
        if is_made {
            self.check_made(&service, &call, answer.as_ref().ok(), held, now, ledger);
        }
        self.settle(&service, held, now, ledger);
    }

    /// What was acknowledged is on the disk, and the list says what came of it.
    fn check_made(
        &mut self,
        service: &str,
        call: &Pending,
        list: Option<&Vec<ringway::base::replica_name::ReplicaName>>,
        held: &DurableState,
        now: Moment,
        ledger: &mut Ledger,
    ) {
        let held = members(held, service);
        let others: Vec<Change> = self.of(service).cloned().collect();
        let perhaps: Vec<&Change> = others.iter().collect();
        let Some(desired) = self.services.get_mut(service) else { return };
        let done: Vec<&Change> = desired.done.iter().collect();
        let sure: Vec<&Change> = done.iter().copied().chain([&call.change]).collect();
        if !may_explain(&desired.base, &sure, &perhaps, &held) {
            let base = &desired.base;
            ledger.accuse(now, format!("{call:?} is acknowledged, but {base:?} is {held:?} on the disk"));
        }
        if let Some(list) = list {
            let list: Vec<String> = list.iter().map(|name| name.as_str().to_owned()).collect();
            let older: Vec<&Change> = done.iter().copied().chain(perhaps.iter().copied()).collect();
            let is_right = if call.wait {
                may_explain(&desired.base, &[&call.change], &older, &list)
            } else {
                may_explain(&desired.base, &sure, &perhaps, &list)
            };
            if !is_right {
                let base = &desired.base;
                ledger.accuse(now, format!("{call:?} of {base:?} is answered with {list:?}"));
            }
        }
        desired.done.push(call.change.clone());
    }

    /// With no call under way it is known exactly what the disk holds.
    fn settle(&mut self, service: &str, held: &DurableState, now: Moment, ledger: &mut Ledger) {
        if self.of(service).next().is_some() {
            return;
        }
        let held = members(held, service);
        let Some(desired) = self.services.get_mut(service) else { return };
        if !desired.doubtful.is_empty() {
            return;
        }
        let done: Vec<&Change> = desired.done.iter().collect();
        if explains(&desired.base, &done, &held) {
            *desired = Desired { base: held, ..Desired::default() };
        } else if desired.before.as_ref() != Some(&held) || !desired.done.is_empty() {
            ledger.accuse(now, format!("{desired:?} of {service} is {held:?} on the disk"));
        }
    }

    /// The file is as the machine wants it.
    pub(crate) fn written(&mut self) {
        self.services.values_mut().for_each(|desired| desired.doubtful.clear());
    }

    /// Ringway is gone, and calls with it: each of those that were not answered happened or did not.
    pub(crate) fn crash(&mut self, held: &DurableState, now: Moment, ledger: &mut Ledger) {
        let services: Vec<Box<str>> = self.services.keys().cloned().collect();
        for service in services {
            let Desired { base, before, done, doubtful } = &self.services[&service];
            let perhaps: Vec<&Change> = self.of(&service).chain(doubtful).collect();
            let done: Vec<&Change> = done.iter().collect();
            let held = members(held, &service);
            let is_old = before.as_ref() == Some(&held) && done.is_empty();
            if !is_old && !may_explain(base, &done, &perhaps, &held) {
                let what = format!("after a crash, {base:?} and {done:?}, perhaps {perhaps:?}, is {held:?}");
                ledger.accuse(now, what);
            }
            self.last.insert(service.clone(), held.clone());
            self.services.insert(service, Desired { base: held, ..Desired::default() });
        }
        if !self.pending.is_empty() {
            ledger.reach("crash with a call under way");
        }
        self.pending.clear();
    }
}
