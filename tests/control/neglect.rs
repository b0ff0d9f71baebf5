//! Members without a process, and for how long nobody has done anything about it.

use std::collections::BTreeMap;
use std::time::Duration;

use ringway::base::time::Moment;

use crate::operator::members;
use crate::stage::supervision_of;
use crate::world::{Stage, World};

/// How long a member may have no process while nothing stands in the way: the longest pause, slow writes of the intent,
/// a write that is tried again, and the start.
const NEGLECT_MAX: Duration = Duration::from_millis(4_000);

/// Since when each member has been without a process.
#[derive(Debug, Default)]
pub(crate) struct Neglect {
    since: BTreeMap<(Box<str>, String), Moment>,
}

impl Neglect {
    /// Looks at the world now; says which member is neglected.
    pub(crate) fn look(&mut self, world: &World) -> Option<String> {
        let is_disturbed =
            world.stage != Stage::Up || world.disk.is_full(world.now()) || !world.lag.is_zero();
        if is_disturbed {
            self.since.clear();
            return None;
        }
        let mut missing = BTreeMap::new();
        for plan in world.plans.iter().filter(|plan| supervision_of(plan).is_some()) {
            for name in members(world.disk.held(), &plan.name) {
                let lives = world
                    .provider
                    .owned()
                    .any(|(_, instance)| instance.service == plan.name && instance.name.as_str() == name);
                let key = (plan.name.clone(), name);
                if !lives {
                    let ended = world.log.ended.get(&key).copied().unwrap_or_default();
                    let since = self.since.get(&key).copied().unwrap_or(world.now());
                    missing.insert(key, since.max(ended).max(world.log.portless));
                }
            }
        }
        self.since = missing;
        let neglected = self.since.iter().find(|(_, since)| world.now().since(**since) > NEGLECT_MAX);
        neglected.map(|(name, since)| format!("{name:?} has had no process since {since:?}"))
    }
}
