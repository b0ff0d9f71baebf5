//! Handing a snapshot to a core. The swap cannot be had without a snapshot to publish; one without services is built
//! quickly, and how quickly is measured as well.

use std::hint::black_box;

use ringway::placement::{Published, ServiceSpec, Snapshot};

use super::{Kernel, Repeated, repeated};

pub(super) fn all() -> Vec<Kernel> {
    let cases = [
        ("looked at, unchanged", unchanged as fn() -> Repeated),
        ("built", built),
        ("built, published and taken up", taken_up),
    ];
    cases.map(|(name, prepare)| Kernel::new("snapshot", name, prepare)).into()
}

fn unchanged() -> Repeated {
    let published = Published::new(first());
    let mut subscriber = published.subscribe();
    repeated(move || {
        black_box(subscriber.current());
    })
}

fn built() -> Repeated {
    let first = first();
    repeated(move || {
        black_box(next(&first));
    })
}

fn taken_up() -> Repeated {
    let mut published = Published::new(first());
    let mut subscriber = published.subscribe();
    repeated(move || {
        let next = next(&published.current());
        published.publish(next);
        black_box(subscriber.current());
    })
}

fn first() -> Snapshot {
    Snapshot::build(vec![ServiceSpec::named("web")], None).expect("no table to build")
}

fn next(previous: &Snapshot) -> Snapshot {
    Snapshot::build(Vec::new(), Some(black_box(previous))).expect("no table to build")
}
