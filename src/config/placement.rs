//! `placement` of a service: by which rule its keys find their replicas.

use crate::base::algorithm::{Algorithm, BoundedLoad, ModuloRule, Probing, SlotHash, SlotsRule};

use super::error::Fault;
use super::section::Section;
use super::{BOUNDED_LOAD_THOUSANDTHS, MODULO_FACTOR_MAX, SLOTS};

/// The keys that only a ring of slots has.
const SLOTS_KEYS: [&str; 3] = ["slots", "hash", "probing"];
/// The keys that only a modulo map has.
const MODULO_KEYS: [&str; 1] = ["factor"];

/// The words of `algorithm`, without the keys that stand beside them.
#[derive(Clone, Copy)]
enum Word {
    Rendezvous,
    Maglev,
    Ketama,
    Slots,
    Modulo,
}

const WORDS: [(&str, Word); 5] = [
    ("rendezvous", Word::Rendezvous),
    ("maglev", Word::Maglev),
    ("ketama", Word::Ketama),
    ("slots", Word::Slots),
    ("modulo", Word::Modulo),
];

/// Reads the table; absent, it is the default.
pub(super) fn read(section: &mut Section<'_>) -> (Algorithm, Option<BoundedLoad>) {
    let word = match section.value("algorithm") {
        Some(value) => value.word(&WORDS, &[]),
        None => Some(Word::Rendezvous),
    };
    let bounded_load = bounded_load(section);
    let Some(word) = word else {
        // The keys of the algorithm that was meant are no mistakes beside that.
        section.allow_any_key();
        return (Algorithm::default(), bounded_load);
    };
    let algorithm = algorithm(section, word);
    refuse_others(section, algorithm);
    (algorithm, bounded_load)
}

fn algorithm(section: &mut Section<'_>, word: Word) -> Algorithm {
    match word {
        Word::Rendezvous => Algorithm::Rendezvous,
        Word::Maglev => Algorithm::Maglev,
        Word::Ketama => Algorithm::Ketama,
        Word::Slots => Algorithm::Slots(slots_rule(section)),
        Word::Modulo => Algorithm::Modulo(modulo_rule(section)),
    }
}

fn refuse_others(section: &mut Section<'_>, algorithm: Algorithm) {
    let belongs =
        |owners| move || Fault::OtherChoice { choice: "algorithm", owners, chosen: algorithm.name() };
    if !matches!(algorithm, Algorithm::Slots(_)) {
        section.refuse(&SLOTS_KEYS, belongs("\"slots\""));
    }
    if !matches!(algorithm, Algorithm::Modulo(_)) {
        section.refuse(&MODULO_KEYS, belongs("\"modulo\""));
    }
}

fn slots_rule(section: &mut Section<'_>) -> SlotsRule {
    let default = SlotsRule::default();
    let hashes = [
        ("given", SlotHash::Given),
        ("modified", SlotHash::Modified),
        ("cryptographic", SlotHash::Cryptographic),
    ];
    let probings = [("linear", Probing::Linear), ("quadratic", Probing::Quadratic)];
    SlotsRule {
        slots: slots(section).unwrap_or(default.slots),
        hash: section.word("hash", &hashes, &[], default.hash),
        probing: section.word("probing", &probings, &[], default.probing),
    }
}

fn slots(section: &mut Section<'_>) -> Option<u32> {
    let value = section.value("slots")?;
    let slots = value.number(SLOTS, "write how many slots the ring has, a power of two")?;
    let above = slots.next_power_of_two();
    let proper = if slots == above { Ok(slots) } else { Err(Fault::PowerOfTwo { below: above / 2, above }) };
    value.check(proper)
}

fn modulo_rule(section: &mut Section<'_>) -> ModuloRule {
    let advice = "write how many replicas share a shard";
    ModuloRule {
        factor: section.number("factor", 1..=MODULO_FACTOR_MAX, ModuloRule::default().factor, advice),
    }
}

fn bounded_load(section: &mut Section<'_>) -> Option<BoundedLoad> {
    let advice = "write how many times its fair share a replica may take, as in 1.25, or leave the key out for no bound";
    let factor_thousandths = section.value("bounded_load")?.thousandths(BOUNDED_LOAD_THOUSANDTHS, advice)?;
    Some(BoundedLoad { factor_thousandths })
}
