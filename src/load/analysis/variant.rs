//! The placements that are compared.

use serde::{Serialize, Serializer};

/// What a service's load is bounded by, where it is.
pub const BOUNDED_LOAD: f64 = 1.25;

/// A placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name in files.
    pub name: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// What it is compared with.
    pub family: Family,
    /// The keys of its table in the configuration.
    keys: &'static str,
}

/// Placements that are shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// System A's ring of 512 slots, by its functions and its probing.
    Slots,
    /// The other placements of Ringway.
    Others,
}

impl Family {
    /// Both, in the order in which they are shown.
    pub const ALL: [Family; 2] = [Family::Slots, Family::Others];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Family::Slots => "slots",
            Family::Others => "others",
        }
    }

    /// Its name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Family::Slots => "the ring of 512 slots",
            Family::Others => "the other placements",
        }
    }

    /// Its placements.
    pub fn variants(self) -> impl Iterator<Item = &'static Variant> {
        VARIANTS.iter().filter(move |variant| variant.family == self)
    }
}

/// All of them, in the order in which they are shown.
pub const VARIANTS: [Variant; 10] = [
    slots("given-linear", "given, linear", r#"algorithm = "slots", hash = "given", probing = "linear""#),
    slots(
        "given-quadratic",
        "given, quadratic",
        r#"algorithm = "slots", hash = "given", probing = "quadratic""#,
    ),
    slots(
        "modified-linear",
        "modified, linear",
        r#"algorithm = "slots", hash = "modified", probing = "linear""#,
    ),
    slots(
        "modified-quadratic",
        "modified, quadratic",
        r#"algorithm = "slots", hash = "modified", probing = "quadratic""#,
    ),
    slots(
        "cryptographic-linear",
        "cryptographic, linear",
        r#"algorithm = "slots", hash = "cryptographic", probing = "linear""#,
    ),
    slots(
        "cryptographic-quadratic",
        "cryptographic, quadratic",
        r#"algorithm = "slots", hash = "cryptographic", probing = "quadratic""#,
    ),
    other("rendezvous", r#"algorithm = "rendezvous""#),
    other("maglev", r#"algorithm = "maglev""#),
    other("ketama", r#"algorithm = "ketama""#),
    other("modulo", r#"algorithm = "modulo""#),
];

/// System A's ring as it was given.
pub const GIVEN: &Variant = &VARIANTS[0];
/// Ringway's default.
pub const RENDEZVOUS: &Variant = &VARIANTS[6];

const fn slots(name: &'static str, label: &'static str, keys: &'static str) -> Variant {
    Variant { name, label, family: Family::Slots, keys }
}

const fn other(name: &'static str, keys: &'static str) -> Variant {
    Variant { name, label: name, family: Family::Others, keys }
}

impl Variant {
    /// Its table in the configuration, in TOML.
    pub fn placement(&self, bounded: bool) -> String {
        let bound = if bounded { format!(", bounded_load = {BOUNDED_LOAD}") } else { String::new() };
        format!("{{ {}{bound} }}", self.keys)
    }

    /// Whether requests and servers are placed by system A's formulas as they are.
    pub fn is_given(&self) -> bool {
        self.name.starts_with("given-")
    }

    /// Whether taken slots are resolved by quadratic probing.
    pub fn is_quadratic(&self) -> bool {
        self.name.ends_with("-quadratic")
    }
}

impl Serialize for Variant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placement_is_a_table_of_the_configuration() {
        assert_eq!(GIVEN.placement(false), r#"{ algorithm = "slots", hash = "given", probing = "linear" }"#);
        assert_eq!(RENDEZVOUS.placement(true), r#"{ algorithm = "rendezvous", bounded_load = 1.25 }"#);
    }

    #[test]
    fn every_placement_has_a_name_of_its_own_and_belongs_to_one_family() {
        let names: std::collections::HashSet<&str> = VARIANTS.iter().map(|variant| variant.name).collect();
        assert_eq!(names.len(), VARIANTS.len());
        let of_families: Vec<&Variant> = Family::ALL.into_iter().flat_map(Family::variants).collect();
        assert_eq!(of_families, VARIANTS.iter().collect::<Vec<_>>());
    }
}
