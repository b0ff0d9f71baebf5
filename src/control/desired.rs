//! Which replicas a service shall have, and what becomes of that when an operator asks for a change. Pure: all of a
//! change or nothing of it.

use std::collections::BTreeSet;

use crate::base::algorithm::Algorithm;
use crate::base::random::Random;
use crate::base::replica_name::ReplicaName;
use crate::config::REPLICAS_MAX;
use crate::control::call::{CallError, Change};
use crate::control::durable::DurableMember;
use crate::placement::{Member, Table, TableError};

/// How many made-up names there are of one ending: three digits.
const DRAWS: u64 = 1_000;
/// How many endings there are: the milliseconds of a second.
const CLOCKS: u64 = 1_000;

/// What a change would make of a service's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// All members afterwards, in the order in which they came.
    pub members: Vec<DurableMember>,
    /// Those that are new.
    pub added: Vec<DurableMember>,
    /// Those that are to go.
    pub removed: Vec<ReplicaName>,
}

/// What a change is judged by, beside the members that there are.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// How the service places its keys.
    pub algorithm: &'a Algorithm,
    /// Names of replicas that are on their way out: nothing else may have them yet.
    pub leaving: &'a BTreeSet<ReplicaName>,
    /// The milliseconds of the time of day, for made-up names.
    pub clock_ms: u32,
}

/// The members of a service that has none yet: "Server-1" and so on.
pub fn initial(count: usize) -> Vec<DurableMember> {
    with_count(Vec::new(), count)
}

/// The first `count` of these members, or these and as many more.
pub fn with_count(mut members: Vec<DurableMember>, count: usize) -> Vec<DurableMember> {
    members.truncate(count);
    while members.len() < count {
        let ordinal = free_ordinals(&members).next().unwrap_or(u32::MAX);
        let name = (u64::from(ordinal)..)
            .filter_map(|number| format!("Server-{number}").parse().ok())
            .find(|name| members.iter().all(|member| member.name != *name));
        members.extend(name.map(|name| DurableMember { name, ordinal }));
    }
    members
}

/// What `change` makes of `members`.
///
/// # Errors
/// When the change breaks a rule; it is not made in part then.
pub fn change(
    members: &[DurableMember],
    change: &Change,
    circumstances: &Circumstances<'_>,
    random: &mut Random,
) -> Result<Changed, CallError> {
    let (Change::Add { n, names } | Change::Remove { n, names }) = change;
    let n = positive(*n)?;
    let names = distinct(names, n)?;
    let changed = match change {
        Change::Add { .. } => add(members, n, names, circumstances, random)?,
        Change::Remove { .. } => remove(members, n, names, random)?,
    };
    check_placement(circumstances.algorithm, &changed.members)?;
    Ok(changed)
}

/// Whether the placement takes these members.
///
/// # Errors
/// When it does not.
pub fn check_placement(algorithm: &Algorithm, members: &[DurableMember]) -> Result<(), TableError> {
    let mut members: Vec<Member<'_>> = members
        .iter()
        .map(|member| Member { name: member.name.as_str(), ordinal: member.ordinal, weight: 1 })
        .collect();
    members.sort_unstable_by_key(|member| member.ordinal);
    Table::build(algorithm, &members).map(|_| ())
}

fn positive(n: i64) -> Result<i64, CallError> {
    if n > 0 { Ok(n) } else { Err(CallError::NotPositive(n)) }
}

fn distinct(written: &[String], n: i64) -> Result<Vec<ReplicaName>, CallError> {
    if i64::try_from(written.len()).is_ok_and(|names| names > n) {
        return Err(CallError::MoreNamesThanN { names: written.len(), n });
    }
    let mut names: Vec<ReplicaName> = Vec::with_capacity(written.len());
    let mut seen = BTreeSet::new();
    for name in written {
        let name: ReplicaName = name.parse()?;
        if !seen.insert(name.clone()) {
            return Err(CallError::Duplicate(name));
        }
        names.push(name);
    }
    Ok(names)
}

fn add(
    members: &[DurableMember],
    n: i64,
    mut names: Vec<ReplicaName>,
    circumstances: &Circumstances<'_>,
    random: &mut Random,
) -> Result<Changed, CallError> {
    let mut taken: BTreeSet<ReplicaName> = members.iter().map(|member| member.name.clone()).collect();
    taken.extend(circumstances.leaving.iter().cloned());
    if let Some(name) = names.iter().find(|name| taken.contains(*name)) {
        return Err(CallError::Exists(name.clone()));
    }
    let room = REPLICAS_MAX.saturating_sub(members.len());
    let n = usize::try_from(n).ok().filter(|&n| n <= room);
    let too_many = || CallError::TooMany { replicas: members.len(), max: REPLICAS_MAX };
    let n = n.ok_or_else(too_many)?;
    taken.extend(names.iter().cloned());
    while names.len() < n {
        let name = made_up(&taken, circumstances.clock_ms, random).ok_or_else(too_many)?;
        taken.insert(name.clone());
        names.push(name);
    }
    let ordinals = free_ordinals(members);
    let added: Vec<DurableMember> =
        names.into_iter().zip(ordinals).map(|(name, ordinal)| DurableMember { name, ordinal }).collect();
    let members = members.iter().chain(&added).cloned().collect();
    Ok(Changed { members, added, removed: Vec::new() })
}

fn remove(
    members: &[DurableMember],
    n: i64,
    mut names: Vec<ReplicaName>,
    random: &mut Random,
) -> Result<Changed, CallError> {
    if let Some(name) = names.iter().find(|name| members.iter().all(|member| member.name != **name)) {
        return Err(CallError::Unknown(name.clone()));
    }
    let fits = usize::try_from(n).ok().filter(|&n| n <= members.len());
    let n = fits.ok_or(CallError::TooFew { n, replicas: members.len() })?;
    let named: BTreeSet<ReplicaName> = names.iter().cloned().collect();
    let mut others: Vec<&ReplicaName> =
        members.iter().map(|member| &member.name).filter(|name| !named.contains(*name)).collect();
    while names.len() < n {
        let drawn = random.below(others.len() as u64) as usize;
        names.push(others.swap_remove(drawn).clone());
    }
    let gone: BTreeSet<&ReplicaName> = names.iter().collect();
    let left = members.iter().filter(|member| !gone.contains(&member.name)).cloned().collect();
    Ok(Changed { members: left, added: Vec::new(), removed: names })
}

/// `Server-XXX-YYY`: three random digits, and three of the time. Where all thousand names of this millisecond are taken,
/// those of the next ones follow.
fn made_up(taken: &BTreeSet<ReplicaName>, clock_ms: u32, random: &mut Random) -> Option<ReplicaName> {
    let first = random.below(DRAWS);
    (0..DRAWS * CLOCKS)
        .map(|step| {
            let drawn = (first + step) % DRAWS;
            let clock = (u64::from(clock_ms) + step / DRAWS) % CLOCKS;
            format!("Server-{drawn:03}-{clock:03}")
        })
        .filter_map(|name| name.parse().ok())
        .find(|name| !taken.contains(name))
}

/// The numbers that no member has, from 1.
fn free_ordinals(members: &[DurableMember]) -> impl Iterator<Item = u32> + use<> {
    let taken: BTreeSet<u32> = members.iter().map(|member| member.ordinal).collect();
    (1..=u32::MAX).filter(move |ordinal| !taken.contains(ordinal))
}
