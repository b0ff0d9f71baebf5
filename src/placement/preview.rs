//! What would move if replicas came or went, before they do.
//!
//! The space of hashes is cut into cells within which every key has the same replica, both before and after; their
//! sizes add up to the shares. So the figures are exact, as shares of the space of hashes:
//! - rendezvous: its 4,096 slots; Maglev: its 65,537 entries; ketama: the arcs between the points of both continua;
//! - slots: the remainders of a request's number for the given functions (whose polynomial leaves most slots without
//!   requests of their own), the slots for the others;
//! - modulo: the sum of a key's bytes by its remainders modulo both numbers of shards. Real keys' sums are not spread
//!   evenly.
//!
//! Where the cells would be too many, or the algorithm itself changes, 100,000 keys are asked instead, and the result
//! says so.

use std::collections::BTreeMap;

use serde::Serialize;

use super::hash::KeyHash;
use super::ketama::Ketama;
use super::maglev;
use super::modulo::Modulo;
use super::rendezvous;
use super::slots::SlotRing;
use super::table::{Member, Table, TableError};
use crate::base::algorithm::Algorithm;

/// The keys that are asked where cells cannot be counted: the numbers from 0 on, in decimal.
pub const SAMPLED_KEYS: u32 = 100_000;
/// The most cells of two modulo maps.
const REMAINDERS_MAX: u64 = 1 << 20;

/// A placement's rule and members.
#[derive(Clone, Copy, Debug)]
pub struct Arrangement<'a> {
    /// The rule.
    pub algorithm: Algorithm,
    /// Whom it places keys on.
    pub members: &'a [Member<'a>],
}

/// What moves between two arrangements. All shares are parts of 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preview {
    /// What the shares are shares of.
    pub basis: Basis,
    /// The share of the keys whose replica changes.
    pub moved: f64,
    /// The share that had to move for the shares to become what they are: what the members gain, or what they lose if that
    /// is more.
    pub least: f64,
    /// From whom to whom, the largest first.
    pub moves: Vec<Move>,
    /// What each replica has, by name.
    pub members: Vec<MemberShare>,
}

/// How the shares were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// All of the space of hashes.
    Exact,
    /// This many keys.
    Sampled(u32),
}

/// Keys that go from one replica to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Move {
    /// Who has them; `None`: there was no replica.
    pub from: Option<Box<str>>,
    /// Who gets them; `None`: there is no replica left.
    pub to: Option<Box<str>>,
    /// Their share of all keys.
    pub share: f64,
}

/// One replica's keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberShare {
    /// Its name.
    pub name: Box<str>,
    /// Its share before; 0 for one that comes.
    pub before: f64,
    /// Its share after; 0 for one that goes.
    pub after: f64,
}

impl Preview {
    /// Compares two arrangements. Builds both tables, so it is for control: 10 ms where tables are large.
    ///
    /// # Errors
    /// When one of them has no table.
    pub fn between(before: Arrangement<'_>, after: Arrangement<'_>) -> Result<Self, TableError> {
        let old = Table::build(&before.algorithm, before.members)?;
        let new = Table::build(&after.algorithm, after.members)?;
        let (cells, basis) = Cells::of(&old, &new, before.algorithm == after.algorithm);
        let total = cells.0.values().sum::<u64>().max(1) as f64;
        let share = |size: u64| size as f64 / total;
        let name = |members: &[Member<'_>], index: Option<u16>| -> Option<Box<str>> {
            index.map(|index| members[usize::from(index)].name.into())
        };
        let sides = before.members.iter().chain(after.members);
        let mut members: BTreeMap<Box<str>, [u64; 2]> =
            sides.map(|member| (member.name.into(), [0; 2])).collect();
        let mut moves = Vec::new();
        let mut moved = 0;
        for (&(from, to), &size) in &cells.0 {
            let (from, to) = (name(before.members, from), name(after.members, to));
            for (side, replica) in [&from, &to].into_iter().enumerate() {
                if let Some(sizes) = replica.as_ref().and_then(|replica| members.get_mut(replica)) {
                    sizes[side] += size;
                }
            }
            if from != to {
                moved += size;
                moves.push(Move { from, to, share: share(size) });
            }
        }
        moves.sort_by(|one, other| {
            let names = || (&one.from, &one.to).cmp(&(&other.from, &other.to));
            other.share.total_cmp(&one.share).then_with(names)
        });
        let gains = members.values().map(|[before, after]| after.saturating_sub(*before)).sum();
        let losses = members.values().map(|[before, after]| before.saturating_sub(*after)).sum();
        let member = |(name, [before, after]): (_, [u64; 2])| MemberShare {
            name,
            before: share(before),
            after: share(after),
        };
        Ok(Preview {
            basis,
            moved: share(moved),
            least: share(u64::max(gains, losses)),
            moves,
            members: members.into_iter().map(member).collect(),
        })
    }
}

/// The sizes of what has the same replica before and the same after.
#[derive(Default)]
struct Cells(BTreeMap<(Option<u16>, Option<u16>), u64>);

impl Cells {
    fn of(old: &Table, new: &Table, same_algorithm: bool) -> (Self, Basis) {
        let mut cells = Cells::default();
        match (old, new) {
            (Table::Rendezvous(_), Table::Rendezvous(_)) => {
                cells.add_hashes(
                    old,
                    new,
                    (0..rendezvous::SLOTS as u64).map(rendezvous::Rendezvous::hash_in),
                );
            }
            (Table::Maglev(_), Table::Maglev(_)) => {
                cells.add_hashes(old, new, (0..maglev::ENTRIES as u64).map(KeyHash::from_u64));
            }
            (Table::Ketama(old), Table::Ketama(new)) => cells.add_arcs(old, new),
            (Table::Slots(one), Table::Slots(other)) if same_algorithm => cells.add_slots(one, other),
            (Table::Modulo(one), Table::Modulo(other)) if remainders(one, other) <= REMAINDERS_MAX => {
                cells.add_hashes(old, new, (0..remainders(one, other)).map(KeyHash::from_u64));
            }
            _ => {
                cells.add_samples(old, new);
                return (cells, Basis::Sampled(SAMPLED_KEYS));
            }
        }
        (cells, Basis::Exact)
    }

    fn add(&mut self, from: Option<u16>, to: Option<u16>, size: u64) {
        *self.0.entry((from, to)).or_default() += size;
    }

    /// Cells of the same size, each by a hash in it.
    fn add_hashes(&mut self, old: &Table, new: &Table, hashes: impl Iterator<Item = KeyHash>) {
        for hash in hashes {
            self.add(old.first(hash), new.first(hash), 1);
        }
    }

    /// An arc ends at a point and has all hashes behind the point before; the first one's go on at the end of the
    /// space.
    fn add_arcs(&mut self, old: &Ketama, new: &Ketama) {
        let mut points: Vec<u64> = old.hashes().iter().chain(new.hashes()).copied().map(u64::from).collect();
        points.sort_unstable();
        points.dedup();
        let (Some(&first), Some(&last)) = (points.first(), points.last()) else { return };
        let mut before = -(((1_u64 << 32) - last) as i64);
        debug_assert!(before < first as i64);
        for point in points {
            let hash = KeyHash::from_u64(point);
            self.add(old.first(hash), new.first(hash), (point as i64 - before) as u64);
            before = point as i64;
        }
    }

    fn add_slots(&mut self, old: &SlotRing, new: &SlotRing) {
        for number in 0..old.slots() {
            let slot = if old.is_polynomial() { old.slot(KeyHash::from_u64(number as u64)) } else { number };
            self.add(old.owner(slot), new.owner(slot), 1);
        }
    }

    fn add_samples(&mut self, old: &Table, new: &Table) {
        for number in 0..SAMPLED_KEYS {
            let key = number.to_string();
            let first = |table: &Table| table.first(table.hasher().hash(key.as_bytes()));
            self.add(first(old), first(new), 1);
        }
    }
}

/// How many remainders tell apart all that two maps tell apart: the least common multiple of their shards.
fn remainders(one: &Modulo, other: &Modulo) -> u64 {
    let (mut a, mut b) = (one.shards(), other.shards());
    while b > 0 {
        (a, b) = (b, a % b);
    }
    one.shards() / a * other.shards()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::algorithm::{ModuloRule, SlotHash, SlotsRule};

    fn members<'a>(names: &[&'a str]) -> Vec<Member<'a>> {
        names
            .iter()
            .map(|name| Member { name, ordinal: u32::from(name.as_bytes()[0] - b'a') + 1, weight: 1 })
            .collect()
    }

    fn preview(algorithm: Algorithm, before: &[&str], after: &[&str]) -> Preview {
        let (before, after) = (members(before), members(after));
        let side = |members| Arrangement { algorithm, members };
        Preview::between(side(&before), side(&after)).unwrap()
    }

    const ALGORITHMS: [Algorithm; 6] = [
        Algorithm::Rendezvous,
        Algorithm::Maglev,
        Algorithm::Ketama,
        Algorithm::Slots(SlotsRule {
            slots: 512,
            hash: SlotHash::Given,
            probing: crate::base::algorithm::Probing::Linear,
        }),
        Algorithm::Slots(SlotsRule {
            slots: 512,
            hash: SlotHash::Modified,
            probing: crate::base::algorithm::Probing::Linear,
        }),
        Algorithm::Modulo(ModuloRule { factor: 1 }),
    ];

    #[test]
    fn of_a_modulo_map_the_figures_can_be_worked_out_by_hand() {
        // Of the remainders 0 to 5, those of 2 and of 3 give: ab ba aa bb ac... : 0: a a, 1: b b, 2: a c, 3: b a, 4: a
        // b, 5: b c.
        let found = preview(Algorithm::Modulo(ModuloRule { factor: 1 }), &["a", "b"], &["a", "b", "c"]);
        let sixth = 1.0 / 6.0;
        assert_eq!((found.basis, found.moved, found.least), (Basis::Exact, 4.0 / 6.0, 2.0 / 6.0));
        let moves: Vec<_> = found
            .moves
            .iter()
            .map(|one| (one.from.as_deref().unwrap(), one.to.as_deref().unwrap(), one.share))
            .collect();
        assert_eq!(moves, [("a", "b", sixth), ("a", "c", sixth), ("b", "a", sixth), ("b", "c", sixth)]);
        let shares: Vec<_> = found.members.iter().map(|one| (&*one.name, one.before, one.after)).collect();
        let third = 2.0 / 6.0;
        assert_eq!(shares, [("a", 0.5, third), ("b", 0.5, third), ("c", 0.0, third)]);
    }

    #[test]
    fn shares_add_up_and_moves_explain_their_change() {
        for algorithm in ALGORITHMS {
            let found = preview(algorithm, &["a", "b", "c", "d"], &["b", "c", "e"]);
            assert_eq!(found.basis, Basis::Exact);
            let sum = |share: fn(&MemberShare) -> f64| found.members.iter().map(share).sum::<f64>();
            assert!((sum(|one| one.before) - 1.0).abs() < 1e-9 && (sum(|one| one.after) - 1.0).abs() < 1e-9);
            assert!(found.moved >= found.least - 1e-9 && found.moved <= 1.0, "{algorithm:?}: {found:?}");
            assert!((found.moves.iter().map(|one| one.share).sum::<f64>() - found.moved).abs() < 1e-9);
            assert!(found.moves.windows(2).all(|pair| pair[0].share >= pair[1].share));
            for member in &found.members {
                let total = |side: fn(&Move) -> &Option<Box<str>>| -> f64 {
                    let of_member = found.moves.iter().filter(|one| side(one).as_ref() == Some(&member.name));
                    of_member.map(|one| one.share).sum()
                };
                let change = total(|one| &one.to) - total(|one| &one.from);
                assert!((member.after - member.before - change).abs() < 1e-9, "{algorithm:?}: {member:?}");
            }
        }
    }

    #[test]
    fn the_same_members_in_another_order_move_nothing() {
        for algorithm in ALGORITHMS {
            let found = preview(algorithm, &["a", "b", "c"], &["c", "a", "b"]);
            assert_eq!((found.moved, found.moves), (0.0, Vec::new()), "{algorithm:?}");
        }
    }

    #[test]
    fn from_nobody_and_to_nobody_everything_moves() {
        for algorithm in ALGORITHMS {
            let first = preview(algorithm, &[], &["a"]);
            let expected = |from: Option<&str>, to: Option<&str>| {
                vec![Move { from: from.map(Into::into), to: to.map(Into::into), share: 1.0 }]
            };
            assert_eq!(
                (first.moved, first.least, first.moves),
                (1.0, 1.0, expected(None, Some("a"))),
                "{algorithm:?}"
            );
            let last = preview(algorithm, &["a"], &[]);
            assert_eq!(
                (last.moved, last.least, last.moves),
                (1.0, 1.0, expected(Some("a"), None)),
                "{algorithm:?}"
            );
            assert_eq!(preview(algorithm, &[], &[]).moved, 0.0);
        }
    }

    /// What is counted in cells agrees with asking keys, to within six standard deviations of 40,000 keys.
    #[test]
    fn keys_agree_with_what_is_counted() {
        let (names, fewer) = (["a", "b", "c", "d", "e"], ["a", "b", "d", "e"]);
        for algorithm in ALGORITHMS.into_iter().filter(|algorithm| !matches!(algorithm, Algorithm::Modulo(_)))
        {
            let found = preview(algorithm, &names, &fewer);
            let [old, new] =
                [members(&names), members(&fewer)].map(|list| Table::build(&algorithm, &list).unwrap());
            let owner = |table: &Table, names: &[&'static str], key: &[u8]| {
                table.first(table.hasher().hash(key)).map(|index| names[usize::from(index)])
            };
            let moved = (0..40_000_u32)
                .map(|number| number.wrapping_mul(2_654_435_761).to_string())
                .filter(|key| owner(&old, &names, key.as_bytes()) != owner(&new, &fewer, key.as_bytes()))
                .count() as f64;
            assert!(
                (moved / 40_000.0 - found.moved).abs() < 0.015,
                "{algorithm:?}: {moved} keys, {}",
                found.moved
            );
        }
    }

    #[test]
    fn another_algorithm_is_compared_by_keys_and_says_so() {
        let list = members(&["a", "b", "c"]);
        let side = |algorithm| Arrangement { algorithm, members: &list };
        let found = Preview::between(side(Algorithm::Rendezvous), side(Algorithm::Ketama)).unwrap();
        assert_eq!(found.basis, Basis::Sampled(SAMPLED_KEYS));
        assert!((0.5..0.8).contains(&found.moved), "two thirds by chance: {}", found.moved);
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["basis"]["sampled"], SAMPLED_KEYS);
    }

    #[test]
    fn a_ring_without_room_is_refused() {
        let names: Vec<_> = (0..57).map(|number| format!("server-{number}")).collect();
        let list: Vec<_> =
            names.iter().zip(1..).map(|(name, ordinal)| Member { name, ordinal, weight: 1 }).collect();
        let side = |members| Arrangement { algorithm: Algorithm::Slots(SlotsRule::default()), members };
        assert!(matches!(
            Preview::between(side(&list[..56]), side(&list)),
            Err(TableError::NoFreeSlot { ordinal: 57, .. })
        ));
    }
}
