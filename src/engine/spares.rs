//! Things kept for reuse: as many as there is use for.

/// Free things of one kind, the one used last on top. What nobody needed between two calls of [`Spares::release`] is given
/// up, so that a thread which had much to do once does not hold the memory of that for ever.
#[derive(Debug)]
pub(super) struct Spares<T> {
    free: Vec<T>,
    /// The fewest that were free since the last release: so many were not needed.
    least: usize,
}

impl<T> Spares<T> {
    /// The one that was given back last: the caches still know it.
    pub(super) fn take(&mut self) -> Option<T> {
        let taken = self.free.pop();
        self.least = self.least.min(self.free.len());
        taken
    }

    /// Keeps `thing`, unless there are `free_max` already.
    pub(super) fn give(&mut self, thing: T, free_max: usize) {
        if self.free.len() < free_max {
            self.free.push(thing);
        }
    }

    /// Keeps only the `free_max` that were given back first.
    pub(super) fn limit(&mut self, free_max: usize) {
        self.free.truncate(free_max);
        self.least = self.least.min(self.free.len());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.is_empty()
    }

    /// Gives up what was not needed since the last call.
    pub(super) fn release(&mut self) {
        self.free.drain(..self.least);
        self.least = self.free.len();
    }
}

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Spares { free: Vec::new(), least: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: usize) -> Spares<usize> {
        let mut spares = Spares::default();
        (0..count).for_each(|thing| spares.give(thing, usize::MAX));
        spares
    }

    #[test]
    fn the_last_one_given_is_the_first_taken_and_no_more_are_kept_than_allowed() {
        let mut spares = of(2);
        spares.give(2, 2);
        assert_eq!([spares.take(), spares.take(), spares.take()], [Some(1), Some(0), None]);
        let mut many = of(9);
        many.limit(3);
        assert_eq!(many.free, [0, 1, 2]);
    }

    #[test]
    fn a_release_gives_up_what_was_not_needed_since_the_one_before() {
        let mut spares = of(5);
        // The first knows nothing of the time before it.
        spares.release();
        assert_eq!(spares.free.len(), 5);
        let taken = [spares.take(), spares.take()];
        for thing in taken.into_iter().flatten() {
            spares.give(thing, usize::MAX);
        }
        spares.release();
        assert_eq!(spares.free, [4, 3], "two were needed at once, and they are the warm ones");
        spares.release();
        assert!(spares.is_empty());
    }

    #[test]
    fn a_limit_lowers_what_a_release_gives_up() {
        let mut spares = of(5);
        spares.release();
        spares.limit(1);
        spares.release();
        assert!(spares.is_empty());
    }
}
