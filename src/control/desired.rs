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
    Table::check(algorithm, &members)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::algorithm::Algorithm;

    const RENDEZVOUS: Algorithm = Algorithm::Rendezvous;

    fn names(members: &[DurableMember]) -> Vec<&str> {
        members.iter().map(|member| member.name.as_str()).collect()
    }

    fn ordinals(members: &[DurableMember]) -> Vec<u32> {
        members.iter().map(|member| member.ordinal).collect()
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn name(written: &str) -> ReplicaName {
        written.parse().unwrap()
    }

    fn attempt(members: &[DurableMember], wanted: &Change, seed: u64) -> Result<Changed, CallError> {
        let leaving = BTreeSet::from([name("leaving")]);
        let circumstances = Circumstances { algorithm: &RENDEZVOUS, leaving: &leaving, clock_ms: 12_005 };
        change(members, wanted, &circumstances, &mut Random::new(seed))
    }

    fn added(members: &[DurableMember], n: i64, names: &[&str]) -> Result<Changed, CallError> {
        attempt(members, &Change::Add { n, names: strings(names) }, 1)
    }

    fn removed(members: &[DurableMember], n: i64, names: &[&str]) -> Result<Changed, CallError> {
        attempt(members, &Change::Remove { n, names: strings(names) }, 1)
    }

    #[test]
    fn names_and_numbers_begin_at_one() {
        let members = initial(3);
        assert_eq!(names(&members), ["Server-1", "Server-2", "Server-3"]);
        assert_eq!(ordinals(&members), [1, 2, 3]);
    }

    #[test]
    fn a_number_that_is_free_again_is_given_to_the_next() {
        let members = removed(&initial(4), 2, &["Server-1", "Server-3"]).unwrap().members;
        let members = added(&members, 3, &["a", "b", "c"]).unwrap().members;
        assert_eq!(names(&members), ["Server-2", "Server-4", "a", "b", "c"]);
        assert_eq!(ordinals(&members), [2, 4, 1, 3, 5]);
    }

    #[test]
    fn missing_names_are_made_up_and_never_twice_the_same() {
        for seed in 0..20 {
            let change = Change::Add { n: 1_020, names: strings(&["Server-100-005", "x"]) };
            let changed = attempt(&initial(3), &change, seed).unwrap();
            assert_eq!((changed.members.len(), changed.added.len()), (1_023, 1_020));
            let distinct: BTreeSet<&str> = names(&changed.members).into_iter().collect();
            assert_eq!(distinct.len(), 1_023);
            let made_up = &names(&changed.added)[2..];
            assert!(
                made_up[..999].iter().all(|name| name.len() == 14 && name.ends_with("-005")),
                "{made_up:?}"
            );
            assert!(
                made_up[999..].iter().all(|name| name.ends_with("-006")),
                "the thousand of -005 are taken"
            );
        }
    }

    #[test]
    fn those_that_are_not_named_go_at_random() {
        let members = initial(5);
        let mut gone = BTreeSet::new();
        for seed in 0..50 {
            let change = Change::Remove { n: 2, names: strings(&["Server-3"]) };
            let changed = attempt(&members, &change, seed).unwrap();
            assert_eq!((changed.members.len(), changed.removed.len()), (3, 2));
            assert_eq!(changed.removed[0], name("Server-3"));
            assert!(!names(&changed.members).contains(&changed.removed[1].as_str()));
            gone.insert(changed.removed[1].clone());
        }
        assert_eq!(gone.len(), 4, "each of the others at some time");
    }

    #[test]
    fn every_rule_has_its_refusal() {
        let three = initial(3);
        let (add, remove) = (|n, names| added(&three, n, names), |n, names| removed(&three, n, names));
        let cases: &[(Result<Changed, CallError>, CallError)] = &[
            (add(0, &[]), CallError::NotPositive(0)),
            (remove(-1, &[]), CallError::NotPositive(-1)),
            (add(1, &["a", "b"]), CallError::MoreNamesThanN { names: 2, n: 1 }),
            (remove(1, &["Server-1", "Server-2"]), CallError::MoreNamesThanN { names: 2, n: 1 }),
            (add(2, &["a", "-b"]), CallError::Name("-b".parse::<ReplicaName>().unwrap_err())),
            (remove(2, &["a b"]), CallError::Name("a b".parse::<ReplicaName>().unwrap_err())),
            (add(2, &["a", "a"]), CallError::Duplicate(name("a"))),
            (remove(2, &["Server-1", "Server-1"]), CallError::Duplicate(name("Server-1"))),
            (add(2, &["a", "Server-2"]), CallError::Exists(name("Server-2"))),
            (add(2, &["leaving"]), CallError::Exists(name("leaving"))),
            (remove(2, &["Server-4"]), CallError::Unknown(name("Server-4"))),
            (remove(2, &["leaving"]), CallError::Unknown(name("leaving"))),
            (remove(4, &[]), CallError::TooFew { n: 4, replicas: 3 }),
            (remove(i64::MAX, &[]), CallError::TooFew { n: i64::MAX, replicas: 3 }),
            (add(1_022, &[]), CallError::TooMany { replicas: 3, max: 1_024 }),
            (add(i64::MAX, &[]), CallError::TooMany { replicas: 3, max: 1_024 }),
        ];
        for (result, expected) in cases {
            assert_eq!(result.as_ref().unwrap_err(), expected);
            assert!(expected.is_callers());
        }
        assert_eq!(add(1_021, &[]).unwrap().members.len(), 1_024);
        assert_eq!(remove(3, &[]).unwrap().members, []);
    }

    #[test]
    fn another_count_keeps_the_first_that_came() {
        let members =
            added(&removed(&initial(3), 1, &["Server-1"]).unwrap().members, 1, &["x"]).unwrap().members;
        assert_eq!(names(&with_count(members.clone(), 2)), ["Server-2", "Server-3"]);
        assert_eq!(names(&with_count(members.clone(), 4)), ["Server-2", "Server-3", "x", "Server-4"]);
        assert_eq!(ordinals(&with_count(members, 4)), [2, 3, 1, 4]);
    }
}
