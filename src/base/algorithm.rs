//! How a service's keys are spread over its replicas: the words of `placement`, as values.

/// The rule by which a key finds its replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Weighted rendezvous hashing over a fixed table of 4,096 slots.
    #[default]
    Rendezvous,
    /// Maglev's permutation table (Eisenbud et al., NSDI 2016, 3.4).
    Maglev,
    /// The continuum of nginx's `hash ... consistent`.
    Ketama,
    /// System A's ring: a few hundred slots, a few virtual servers each, collisions resolved by probing.
    Slots(SlotsRule),
    /// System B's map: the sum of the key's bytes, modulo the number of shards.
    Modulo(ModuloRule),
}

impl Algorithm {
    /// The word of the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Rendezvous => "rendezvous",
            Algorithm::Maglev => "maglev",
            Algorithm::Ketama => "ketama",
            Algorithm::Slots(_) => "slots",
            Algorithm::Modulo(_) => "modulo",
        }
    }

    /// Whether a replica's weight plays a part.
    pub const fn has_weights(self) -> bool {
        matches!(self, Algorithm::Rendezvous | Algorithm::Maglev | Algorithm::Ketama)
    }
}

/// What decides a ring of slots beside its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotsRule {
    /// The number of slots: a power of two. Each server has log2 of it as virtual servers.
    pub slots: u32,
    /// The functions that place requests and virtual servers.
    pub hash: SlotHash,
    /// Where a virtual server goes whose slot is taken.
    pub probing: Probing,
}

impl Default for SlotsRule {
    fn default() -> Self {
        SlotsRule { slots: 512, hash: SlotHash::Given, probing: Probing::Linear }
    }
}

/// The pair of hash functions of a ring of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotHash {
    /// System A's polynomials: `i^2 + 2i + 17` and `i^2 + j^2 + 2j + 25`.
    Given,
    /// The same polynomials, their bits mixed before they are reduced.
    Modified,
    /// SHA-256 of the same numbers.
    Cryptographic,
}

/// How a free slot is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probing {
    /// One slot after the other.
    Linear,
    /// At distances 1, 4, 9, ...
    Quadratic,
}

/// What decides a modulo map beside its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModuloRule {
    /// How many replicas share a shard, at least: there are `replicas / factor` shards, and one at least.
    pub factor: u32,
}

impl Default for ModuloRule {
    fn default() -> Self {
        ModuloRule { factor: 1 }
    }
}

/// Bounded loads (Mirrokni, Thorup, Zadimoghaddam, SODA 2018): no replica takes more than a factor of its fair share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BoundedLoad {
    /// The factor in thousandths: 1,250 lets a replica have a quarter more than its share.
    pub factor_thousandths: u32,
}
