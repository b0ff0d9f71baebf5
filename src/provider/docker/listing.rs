//! A listing of the engine's containers against what is known of them: only the difference is news.

use std::collections::{HashMap, HashSet};

use super::label::Labels;
use crate::provider::ContainerId;

/// One container of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: ContainerId,
    pub(super) labels: Labels,
    pub(super) state: ContainerState,
}

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContainerState {
    /// Made, and never started.
    Created,
    /// It runs, paused or not.
    Up {
        /// Whether it is frozen: it accepts connections and then is silent.
        paused: bool,
    },
    /// Its process has ended.
    Ended,
}

/// What is known of containers when a listing is asked for: who was begun later is not judged by it.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Containers that are watched, and since which listing.
    pub(super) watched: HashMap<ContainerId, u64>,
    /// Nonces of all instances that have begun and not ended.
    pub(super) nonces: HashSet<Box<str>>,
    /// Nonces that an adoption looks for, and since which listing.
    pub(super) sought: HashMap<Box<str>, u64>,
}

/// What a listing tells that was not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Watched containers that are not there any more, or whose process has ended.
    pub(super) ended: Vec<ContainerId>,
    /// What adoptions looked for, found or not.
    pub(super) sought: Vec<(Box<str>, Option<ContainerId>)>,
    /// Containers of this owner that no instance knows.
    pub(super) strays: Vec<Listed>,
}

/// Compares. `number` is the listing's: what began with it or later was not there to be listed. Containers of other
/// owners are passed over, also if the engine lists them.
pub(super) fn compare(listing: &[Listed], known: &Known, owner: &str, number: u64) -> News {
    let own = || listing.iter().filter(|listed| *listed.labels.owner == *owner);
    let states: HashMap<&ContainerId, ContainerState> =
        own().map(|listed| (&listed.id, listed.state)).collect();
    let by_nonce: HashMap<&str, &Listed> = own().map(|listed| (&*listed.labels.nonce, listed)).collect();
    let mut ended: Vec<ContainerId> = known
        .watched
        .iter()
        .filter(|(_, since)| **since < number)
        .filter(|(id, _)| matches!(states.get(id), None | Some(ContainerState::Ended)))
        .map(|(id, _)| id.clone())
        .collect();
    ended.sort_unstable();
    let mut sought: Vec<_> = known
        .sought
        .iter()
        .filter(|(_, since)| **since < number)
        .map(|(nonce, _)| (nonce.clone(), by_nonce.get(&**nonce).map(|listed| listed.id.clone())))
        .collect();
    sought.sort_unstable();
    let strays = own().filter(|listed| !known.nonces.contains(&listed.labels.nonce)).cloned().collect();
    News { ended, sought, strays }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: ContainerState = ContainerState::Up { paused: false };

    fn id(letter: &str) -> ContainerId {
        letter.repeat(12).parse().unwrap()
    }

    fn listed(letter: &str, state: ContainerState) -> Listed {
        let labels =
            Labels { owner: "edge".into(), service: "web".into(), replica: "a".into(), nonce: letter.into() };
        Listed { id: id(letter), labels, state }
    }

    /// Instances of these nonces, whose containers are watched since the listing with the number.
    fn watching(letters: &[(&str, u64)]) -> Known {
        Known {
            watched: letters.iter().map(|(letter, since)| (id(letter), *since)).collect(),
            nonces: letters.iter().map(|(letter, _)| (*letter).into()).collect(),
            sought: HashMap::new(),
        }
    }

    #[test]
    fn only_what_changed_is_news() {
        let paused = ContainerState::Up { paused: true };
        let cases: &[(&str, &[Listed], &[&str])] = &[
            ("all as before", &[listed("a", UP), listed("b", UP)], &[]),
            ("one is paused, which heartbeats find", &[listed("a", paused), listed("b", UP)], &[]),
            ("one has ended", &[listed("a", ContainerState::Ended), listed("b", UP)], &["a"]),
            ("one is not there", &[listed("b", UP)], &["a"]),
            (
                "one is made and about to be started",
                &[listed("a", ContainerState::Created), listed("b", UP)],
                &[],
            ),
            ("none is there", &[], &["a", "b"]),
        ];
        for (name, listing, ended) in cases {
            let news = compare(listing, &watching(&[("a", 1), ("b", 1)]), "edge", 2);
            let ended = ended.iter().map(|letter| id(letter)).collect();
            assert_eq!(news, News { ended, ..News::default() }, "{name}");
        }
    }

    #[test]
    fn who_began_after_a_listing_was_asked_for_is_not_judged_by_it() {
        let known = watching(&[("a", 2)]);
        assert_eq!(compare(&[], &known, "edge", 2), News::default());
        assert_eq!(compare(&[], &known, "edge", 3).ended, [id("a")]);
    }

    #[test]
    fn what_nobody_knows_is_a_stray_if_it_is_ours() {
        let mut foreign = listed("f", UP);
        foreign.labels.owner = "other".into();
        let listing = [listed("a", UP), listed("s", UP), listed("t", ContainerState::Created), foreign];
        let news = compare(&listing, &watching(&[("a", 0)]), "edge", 1);
        assert_eq!(news.strays, [listed("s", UP), listed("t", ContainerState::Created)]);
        assert_eq!(news.ended, []);
    }

    #[test]
    fn an_adoption_hears_of_a_later_listing_only() {
        let known = Known {
            nonces: ["a", "b", "c"].map(Box::from).into(),
            sought: [("a".into(), 0), ("b".into(), 0), ("c".into(), 1)].into(),
            ..Known::default()
        };
        let news = compare(&[listed("a", UP)], &known, "edge", 1);
        assert_eq!(news.sought, [("a".into(), Some(id("a"))), ("b".into(), None)]);
        assert_eq!(news.strays, []);
    }

    #[test]
    fn a_container_of_another_owner_is_not_taken_for_ours_whatever_its_nonce() {
        let mut foreign = listed("a", UP);
        foreign.labels.owner = "other".into();
        let known =
            Known { nonces: ["a".into()].into(), sought: [("a".into(), 0)].into(), ..Known::default() };
        assert_eq!(compare(&[foreign], &known, "edge", 1).sought, [("a".into(), None)]);
    }
}
