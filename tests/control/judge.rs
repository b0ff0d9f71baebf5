//! What may be done to an instance, by what is known of it: nobody is ended without a reason, and each in order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringway::base::supervision::{HeartbeatPolicy, Supervision};
use ringway::base::time::Moment;
use ringway::control::machine::event::Heartbeat;
use ringway::provider::{Ending, Instance, InstanceId};

use crate::cores::Cores;
use crate::ledger::Ledger;

/// A failure that comes with more than this is the control thread's own.
pub(crate) const LAG_LONG: Duration = Duration::from_millis(400);

#[derive(Clone, Debug)]
struct Facts {
    instance: Instance,
    began: Moment,
    /// It has answered a heartbeat in this life of Ringway.
    heard: bool,
    misses: u32,
    answers: u64,
    asked: Option<Moment>,
    killed: bool,
}

/// What is known of the instances in one life of Ringway.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    facts: BTreeMap<InstanceId, Facts>,
    /// Names whose living but silent instance was ended, until another of that name answers or ends.
    replaced: BTreeSet<(Box<str>, String)>,
    /// Those that have ended after they had answered: they stay published until others of their names serve.
    former: BTreeMap<InstanceId, Instance>,
}

/// What the world knows when an end is ordered.
pub(crate) struct Circumstances<'a> {
    pub(crate) now: Moment,
    pub(crate) cores: &'a Cores,
    pub(crate) policy: &'a HeartbeatPolicy,
    pub(crate) supervision: &'a Supervision,
    /// Its name is a member's, on the disk, of a service in the configuration.
    pub(crate) member: bool,
    /// The members of that service.
    pub(crate) members: &'a [String],
    /// Ringway stops, and takes the replicas of this service with it.
    pub(crate) stops: bool,
    /// A process of it lives.
    pub(crate) lives: bool,
}

impl Judge {
    /// An instance is started or looked for.
    pub(crate) fn begin(&mut self, instance: Instance, now: Moment) {
        let (heard, misses, answers, asked, killed) = (false, 0, 0, None, false);
        self.facts.insert(instance.id, Facts { instance, began: now, heard, misses, answers, asked, killed });
    }

    /// What the machine hears of a heartbeat. Of an instance that is on its way out it changes nothing any more.
    pub(crate) fn hear(&mut self, heartbeat: &Heartbeat, cores: &Cores) {
        let Some(facts) = self.facts.get_mut(&heartbeat.id) else { return };
        if cores.unrouted(heartbeat.id).is_some() {
            return;
        }
        let answers = heartbeat.answers;
        if heartbeat.answered {
            (facts.heard, facts.misses) = (true, 0);
            let name = (facts.instance.service.clone(), facts.instance.name.to_string());
            if facts.asked.is_none() && !facts.killed {
                self.replaced.remove(&name);
            }
        } else if answers > facts.answers {
            facts.misses = 0;
        } else if heartbeat.lag < LAG_LONG {
            facts.misses += 1;
        }
        facts.answers = answers;
    }

    /// An instance has ended.
    pub(crate) fn ended(&mut self, id: InstanceId) {
        let Some(facts) = self.facts.remove(&id) else { return };
        if !facts.heard || (facts.asked.is_none() && !facts.killed) {
            self.replaced.remove(&(facts.instance.service.clone(), facts.instance.name.to_string()));
        }
        if facts.heard {
            self.former.insert(id, facts.instance);
        }
    }

    /// A start failed before there was an instance, nobody knows of which name.
    pub(crate) fn failed(&mut self) {
        self.replaced.clear();
    }

    /// An instance that was started or looked for and has not ended.
    pub(crate) fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.facts.get(&id).map(|facts| &facts.instance)
    }

    /// An instance that has answered a heartbeat in this life, whether it has ended since or not.
    pub(crate) fn heard(&self, id: InstanceId) -> Option<&Instance> {
        let living = self.facts.get(&id).filter(|facts| facts.heard).map(|facts| &facts.instance);
        living.or_else(|| self.former.get(&id))
    }

    /// An end is ordered.
    pub(crate) fn end(
        &mut self,
        id: InstanceId,
        ending: Ending,
        of: &Circumstances<'_>,
        ledger: &mut Ledger,
    ) {
        let now = of.now;
        let Some(facts) = self.facts.get_mut(&id) else { return };
        let name = (facts.instance.service.clone(), facts.instance.name.to_string());
        let is_silent = facts.misses >= of.policy.failures;
        let failed_to_start = !facts.heard && now.since(facts.began) >= of.supervision.startup;
        if of.cores.is_routed(id) {
            ledger.accuse(now, format!("{id:?} of {name:?} is ended and still routed"));
        }
        let is_late = facts.asked.is_some_and(|asked| now.since(asked) >= of.supervision.stop_timeout);
        if is_late && ending == Ending::Kill {
            ledger.reach("kill after ask");
        } else if of.stops || !of.member {
            ledger.reach("end of what is not wanted");
            let waited = of.cores.unrouted(id).is_none_or(|moment| now.since(moment) >= of.supervision.drain);
            let is_idle = of.cores.is_idle(id);
            if !is_idle && waited {
                ledger.reach("drain deadline");
            }
            if lives_on(of) && !is_idle && !waited && !is_silent {
                ledger.accuse(now, format!("{id:?} of {name:?} is ended while exchanges are on it"));
            }
            if of.lives && ending == Ending::Kill && !is_silent && !failed_to_start && !facts.killed {
                ledger.accuse(now, format!("{id:?} of {name:?} is killed without having been asked in time"));
            }
        } else if failed_to_start {
            ledger.reach("start that took too long");
            self.replaced.remove(&name);
        } else if is_silent {
            ledger.reach("end of a silent one");
            self.replace(id, of, ledger);
        } else if !(facts.killed || facts.asked.is_some()) {
            let (misses, heard) = (facts.misses, facts.heard);
            let what = format!("{ending:?} of {id:?} of {name:?}, a member: misses {misses}, heard {heard}");
            ledger.accuse(now, what);
        }
        let Some(facts) = self.facts.get_mut(&id) else { return };
        match ending {
            Ending::Ask => facts.asked = facts.asked.or(Some(now)),
            Ending::Kill => facts.killed = true,
        }
    }

    /// A member's instance is taken out, or ended: if it is a living one, its name counts as being replaced.
    pub(crate) fn replace(&mut self, id: InstanceId, of: &Circumstances<'_>, ledger: &mut Ledger) {
        let Some(facts) = self.facts.get(&id).filter(|facts| facts.asked.is_none() && !facts.killed) else {
            return;
        };
        let service = facts.instance.service.clone();
        let is_new = of.member
            && of.lives
            && !of.stops
            && self.replaced.insert((service.clone(), facts.instance.name.to_string()));
        if is_new {
            self.check_share(&service, of, ledger);
        }
    }

    fn check_share(&self, service: &str, of: &Circumstances<'_>, ledger: &mut Ledger) {
        let is_its = |(its, name): &&(Box<str>, String)| &**its == service && of.members.contains(name);
        let replaced = self.replaced.iter().filter(is_its).count();
        let most = (of.members.len() / 3).max(1);
        if replaced > most {
            ledger.accuse(of.now, format!("{replaced} silent replicas of {service} are replaced at once"));
        }
    }
}

fn lives_on(of: &Circumstances<'_>) -> bool {
    of.lives && !of.stops
}
