//! The swap through which control hands a new snapshot to every core.

use std::sync::Arc;

use arc_swap::ArcSwap;
use arc_swap::cache::Cache;

use super::snapshot::Snapshot;

/// The writing end; there is one, and it cannot be cloned.
#[derive(Debug)]
pub struct Published {
    newest: Arc<ArcSwap<Snapshot>>,
}

impl Published {
    /// Publishes the first snapshot.
    pub fn new(first: Snapshot) -> Self {
        Published { newest: Arc::new(ArcSwap::from_pointee(first)) }
    }

    /// Replaces the snapshot for all subscribers at once; returns it. `next` must have been built from
    /// [`current`](Published::current). Readers are never waited for: each sees it the
    /// next time that it looks, and what it still holds stays whole.
    pub fn publish(&mut self, next: Snapshot) -> Arc<Snapshot> {
        // Built from an older one, it would give replica ids away twice.
        debug_assert_eq!(
            next.generation,
            self.newest.load().generation + 1,
            "built from the newest snapshot"
        );
        let next = Arc::new(next);
        self.newest.store(Arc::clone(&next));
        next
    }

    /// The newest snapshot.
    pub fn current(&self) -> Arc<Snapshot> {
        self.newest.load_full()
    }

    /// A reading end for who asks now and then.
    pub fn reader(&self) -> SnapshotReader {
        SnapshotReader { newest: Arc::clone(&self.newest) }
    }

    /// A reading end, for one core.
    pub fn subscribe(&self) -> Subscriber {
        Subscriber { cache: Cache::new(Arc::clone(&self.newest)) }
    }
}

/// A reading end for anyone who asks now and then; a core uses a [`Subscriber`].
#[derive(Clone, Debug)]
pub struct SnapshotReader {
    newest: Arc<ArcSwap<Snapshot>>,
}

impl SnapshotReader {
    /// The newest snapshot.
    pub fn current(&self) -> Arc<Snapshot> {
        self.newest.load_full()
    }
}

/// The reading end of one core, which keeps the snapshot that it saw last.
#[derive(Clone, Debug)]
pub struct Subscriber {
    cache: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
}

impl Subscriber {
    /// The newest snapshot. While nothing was published since the last call this is one atomic load of a line that
    /// nobody writes; otherwise the reference is exchanged, and the last core to do so frees the old snapshot.
    ///
    /// The borrow ends with the next await at the latest: whoever needs a replica or a service longer clones its
    /// `Arc`, never the snapshot's, which would keep every replica that was since removed.
    pub fn current(&mut self) -> &Arc<Snapshot> {
        self.cache.load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::snapshot::ServiceSpec;

    #[test]
    fn subscribers_of_other_threads_see_what_is_published_and_drop_what_they_held() {
        let mut published = Published::new(Snapshot::build(vec![ServiceSpec::named("web")], None).unwrap());
        let first = Arc::downgrade(&published.current());
        let mut subscriber = published.subscribe();
        assert_eq!(subscriber.current().generation, 1);
        let next = Snapshot::build(Vec::new(), Some(&published.current())).unwrap();
        published.publish(next);
        assert!(first.upgrade().is_some(), "the subscriber still holds what it saw");
        let subscriber = std::thread::spawn(move || {
            assert_eq!(subscriber.current().generation, 2);
            subscriber
        });
        let _subscriber = subscriber.join().unwrap();
        assert!(first.upgrade().is_none());
    }

    #[test]
    fn an_unchanged_snapshot_is_the_same_value() {
        let published = Published::new(Snapshot::build(Vec::new(), None).unwrap());
        let mut subscriber = published.subscribe();
        let seen = Arc::clone(subscriber.current());
        assert!(Arc::ptr_eq(&seen, subscriber.current()));
        assert!(Arc::ptr_eq(&seen, &published.current()));
    }
}
