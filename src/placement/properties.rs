//! What holds for every placement, and what was measured of each: balance, movement, agreement.
//!
//! Measured over ten sets of names for each number of replicas from 3 to 10, as shares of the space of hashes (of `slots` and
//! `modulo` see [`preview`](super::preview); `slots` has the ordinals 1 to n, and so one set). "Excess" is the largest share over the
//! fair one. A share is of the requests that go elsewhere when one replica goes, beyond its own ("further moves").
//!
//! MEASURED

use proptest::prelude::*;

use super::preview::{Arrangement, Preview};
use super::{KeyHash, Member, Table};
use crate::base::algorithm::{Algorithm, ModuloRule, Probing, SlotHash, SlotsRule};

const fn slots(hash: SlotHash, probing: Probing) -> Algorithm {
    Algorithm::Slots(SlotsRule { slots: 512, hash, probing })
}

const ALGORITHMS: [Algorithm; 10] = [
    Algorithm::Rendezvous,
    Algorithm::Maglev,
    Algorithm::Ketama,
    slots(SlotHash::Given, Probing::Linear),
    slots(SlotHash::Given, Probing::Quadratic),
    slots(SlotHash::Modified, Probing::Linear),
    slots(SlotHash::Modified, Probing::Quadratic),
    slots(SlotHash::Cryptographic, Probing::Linear),
    slots(SlotHash::Cryptographic, Probing::Quadratic),
    Algorithm::Modulo(ModuloRule { factor: 2 }),
];

/// Names with weights, ordinals from 1 in this order.
type Names = Vec<(String, u32)>;

fn members(names: &Names) -> Vec<Member<'_>> {
    names.iter().zip(1..).map(|((name, weight), ordinal)| Member { name, ordinal, weight: *weight }).collect()
}

fn names(set: usize, replicas: usize) -> Names {
    (1..=replicas).map(|number| (format!("10.{set}.0.{number}:8080"), 1)).collect()
}

fn any_names(count: std::ops::Range<usize>) -> impl Strategy<Value = Names> {
    let weight = prop_oneof![Just(1_u32), 1_u32..=5];
    prop::collection::btree_map("[a-z0-9.:-]{1,20}", weight, count)
        .prop_map(|names| names.into_iter().collect())
}

fn preview(algorithm: Algorithm, before: &[Member<'_>], after: &[Member<'_>]) -> Preview {
    let side = |members| Arrangement { algorithm, members };
    Preview::between(side(before), side(after)).unwrap()
}

/// By how much the largest share exceeds the fair one, in the same set of members on both sides.
fn excess(algorithm: Algorithm, members: &[Member<'_>]) -> f64 {
    let found = preview(algorithm, members, members);
    let largest = found.members.iter().map(|member| member.after).fold(0.0, f64::max);
    largest * members.len() as f64 - 1.0
}

/// What moves between replicas that stay, when any one of them goes: the worst case.
fn further_moves(algorithm: Algorithm, members: &[Member<'_>]) -> f64 {
    let without = |gone: usize| {
        let rest: Vec<_> =
            members.iter().copied().filter(|member| member.name != members[gone].name).collect();
        let found = preview(algorithm, members, &rest);
        let stays = |name: &Option<Box<str>>| name.as_deref() != Some(members[gone].name);
        found.moves.iter().filter(|one| stays(&one.from)).map(|one| one.share).sum()
    };
    (0..members.len()).map(without).fold(0.0, f64::max)
}

/// The largest figure of the sets that there are for each number of replicas.
fn worst(algorithm: Algorithm, sets: usize, figure: fn(Algorithm, &[Member<'_>]) -> f64) -> Vec<f64> {
    let sets = if matches!(algorithm, Algorithm::Slots(_) | Algorithm::Modulo(_)) { 1 } else { sets };
    let of_replicas = |replicas| {
        (0..sets)
            .map(|set| figure(algorithm, &members(&names(set, replicas))))
            .fold(f64::NEG_INFINITY, f64::max)
    };
    (3..=10).map(of_replicas).collect()
}

fn percent(figures: &[f64]) -> String {
    figures.iter().map(|figure| format!("{:5.1}", figure * 100.0)).collect()
}

#[test]
fn the_largest_share_is_within_what_was_measured() {
    let bounds = [0.10, 0.001, 0.35, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0];
    for (algorithm, bound) in ALGORITHMS.into_iter().zip(bounds) {
        let figures = worst(algorithm, 10, excess);
        println!("{:<70} {}", format!("{algorithm:?}"), percent(&figures));
        assert!(figures.iter().all(|figure| *figure <= bound), "{algorithm:?}: {figures:?}");
    }
}

#[test]
fn what_moves_beyond_the_least_is_within_what_was_measured() {
    let bounds = [0.0, 0.02, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    for (algorithm, bound) in ALGORITHMS.into_iter().zip(bounds) {
        let figures = worst(algorithm, 3, further_moves);
        println!("{:<70} {}", format!("{algorithm:?}"), percent(&figures));
        assert!(figures.iter().all(|figure| *figure <= bound), "{algorithm:?}: {figures:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_order_names_each_replica_once_and_begins_with_the_first(
        names in any_names(0..30), hashes in prop::collection::vec(any::<u64>(), 1..50)
    ) {
        for algorithm in ALGORITHMS {
            let table = Table::build(&algorithm, &members(&names)).unwrap();
            for hash in hashes.iter().map(|hash| KeyHash::from_u64(*hash)) {
                let order: Vec<_> = table.order(hash).collect();
                prop_assert_eq!(order.first().copied(), table.first(hash), "{:?}", algorithm);
                let mut sorted = order.clone();
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..names.len() as u16).collect::<Vec<_>>(), "{:?}: {:?}", algorithm, order);
            }
        }
    }

    /// But for a continuum of which two points meet.
    #[test]
    fn the_order_of_the_members_does_not_matter(
        (names, order) in any_names(1..12).prop_flat_map(|names| {
            let order: Vec<usize> = (0..names.len()).collect();
            (Just(names), Just(order).prop_shuffle())
        }),
        hashes in prop::collection::vec(any::<u64>(), 1..50)
    ) {
        for algorithm in ALGORITHMS {
            let sorted = members(&names);
            let shuffled: Vec<_> = order.iter().map(|&index| sorted[index]).collect();
            let [one, other] = [&sorted, &shuffled].map(|members| Table::build(&algorithm, members).unwrap());
            if matches!(&one, Table::Ketama(table) if table.depends_on_order()) {
                continue;
            }
            for hash in hashes.iter().map(|hash| KeyHash::from_u64(*hash)) {
                let one: Vec<_> = one.order(hash).map(|index| sorted[usize::from(index)].name).collect();
                let other: Vec<_> = other.order(hash).map(|index| shuffled[usize::from(index)].name).collect();
                prop_assert_eq!(one, other, "{:?}", algorithm);
            }
        }
    }

    /// Exactly so, and therefore also the other way round: a replica that comes takes keys, and no other gets any.
    #[test]
    fn without_one_replica_only_its_keys_move(
        (names, gone) in any_names(2..10).prop_flat_map(|names| { let count = names.len(); (Just(names), 0..count) })
    ) {
        let all = members(&names);
        let rest: Vec<_> = all.iter().copied().filter(|member| member.name != all[gone].name).collect();
        for algorithm in [Algorithm::Rendezvous, Algorithm::Ketama] {
            let found = preview(algorithm, &all, &rest);
            prop_assert!((found.moved - found.least).abs() < 1e-12, "{:?}", algorithm);
            let from_gone = |one: &super::preview::Move| one.from.as_deref() == Some(all[gone].name);
            prop_assert!(found.moves.iter().all(from_gone), "{:?}: {:?}", algorithm, found.moves);
        }
    }

    /// What a key tries next is what it gets when the first has gone: only so do retries and a later removal agree.
    #[test]
    fn the_second_choice_becomes_the_first(names in any_names(2..10), hashes in prop::collection::vec(any::<u64>(), 1..50)) {
        let all = members(&names);
        for algorithm in [Algorithm::Rendezvous, Algorithm::Ketama] {
            let table = Table::build(&algorithm, &all).unwrap();
            if matches!(&table, Table::Ketama(table) if table.depends_on_order()) {
                continue;
            }
            for gone in 0..all.len() {
                let rest: Vec<_> = all.iter().copied().filter(|member| member.name != all[gone].name).collect();
                let without = Table::build(&algorithm, &rest).unwrap();
                for hash in hashes.iter().map(|hash| KeyHash::from_u64(*hash)) {
                    let next = table.order(hash).find(|index| usize::from(*index) != gone);
                    let next = next.map(|index| all[usize::from(index)].name);
                    prop_assert_eq!(without.first(hash).map(|index| rest[usize::from(index)].name), next, "{:?}", algorithm);
                }
            }
        }
    }
}
