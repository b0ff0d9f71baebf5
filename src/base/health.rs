//! A replica's health as one bit that every core reads.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::utils::CachePadded;

/// Whether a replica is believed to answer; it begins as up.
///
/// Writers: any core may [`clear`](HealthBit::clear) it, when connecting to the replica fails; only the control
/// thread may [`set`](HealthBit::set) it, after a probe. So a core can shorten a replica's turn but never prolong it.
///
/// The bit stands alone: no other data is published through it, hence relaxed ordering. It is padded to a cache
/// line of its own, because every core reads it on each pick and the fields beside it must not be evicted with it.
#[derive(Debug)]
pub struct HealthBit(CachePadded<AtomicBool>);

impl HealthBit {
    /// A bit that is up: a replica counts as healthy until something says otherwise.
    pub fn new() -> Self {
        HealthBit(CachePadded::new(AtomicBool::new(true)))
    }

    /// Whether the replica may be picked.
    pub fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes the replica down; any core may call it. `true` if this very call did it, so that of all the cores that
    /// notice one failure exactly one reports it.
    pub fn clear(&self) -> bool {
        // The load spares a failing replica's line the exclusive access of a swap per failed attempt.
        self.is_up() && self.0.swap(false, Ordering::Relaxed)
    }

    /// Brings the replica back; only the control thread calls it.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Default for HealthBit {
    fn default() -> Self {
        HealthBit::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_up_until_a_core_clears_it() {
        let bit = HealthBit::new();
        assert!(bit.is_up());
        assert!(bit.clear());
        assert!(!bit.is_up());
    }

    #[test]
    fn of_many_cores_that_clear_it_one_is_told_that_it_did() {
        let bit = HealthBit::new();
        let told: usize = std::thread::scope(|scope| {
            let cores: Vec<_> = (0..8).map(|_| scope.spawn(|| usize::from(bit.clear()))).collect();
            cores.into_iter().map(|core| core.join().unwrap()).sum()
        });
        assert_eq!(told, 1);
    }

    #[test]
    fn control_brings_it_back_and_the_next_clear_counts_again() {
        let bit = HealthBit::new();
        bit.clear();
        assert!(!bit.clear());
        bit.set();
        assert!(bit.is_up());
        assert!(bit.clear());
    }

    #[test]
    fn it_has_a_cache_line_of_its_own() {
        assert!(align_of::<HealthBit>() >= 64);
    }
}
