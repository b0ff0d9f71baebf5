//! The process's limit of descriptors, and how many connections it allows.

use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// No more descriptors than this are asked for: limits of a billion exist, and make programs that size tables by them
/// fail.
const DESCRIPTORS_MAX: u64 = 1 << 20;
/// Descriptors that are kept for listeners, engines, files and the operator.
const RESERVED: u64 = 128;
/// The most connections beyond the limit that a core takes to tell them so. A client that sends its request and reads the
/// answer holds its place for a round trip, so that these tell thousands a second; a silent one holds it for a second.
/// They take 64 KiB of memory beside the kernel's part.
const SURPLUS_PER_CORE: u64 = 128;
/// The part of the descriptors that surplus connections have where there are few.
const SURPLUS_DIVISOR: u64 = 8;

/// How many client connections there may be, of all cores together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connections {
    /// Those that are served.
    pub(super) max: u64,
    /// Those beyond that are told so.
    pub(super) surplus: u64,
}

/// Raises the soft limit to the hard one, and returns what holds afterwards.
pub(super) fn raise_descriptors() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(DESCRIPTORS_MAX).min(DESCRIPTORS_MAX);
    if current.is_some_and(|current| current < wanted) {
        // Refused only by a policy above the limits; then the old limit holds, and is what is reported.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
    getrlimit(Resource::Nofile).current.unwrap_or(DESCRIPTORS_MAX)
}

/// The client connections for which there are descriptors, unless another number is `written`: each that is served may
/// need a connection to a replica as well, and surplus ones must not take what those need.
pub(super) fn connections(
    descriptors: u64,
    cores: NonZeroUsize,
    written: Option<NonZeroUsize>,
) -> Connections {
    let usable = descriptors.saturating_sub(RESERVED);
    let surplus = (cores.get() as u64 * SURPLUS_PER_CORE).min(usable / SURPLUS_DIVISOR);
    let fitting = ((usable - surplus) / 2).max(1);
    Connections { max: written.map_or(fitting, |max| max.get() as u64), surplus }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_and_what_is_refused_fit_into_the_descriptors() {
        // descriptors, cores, what is written, served at most, refused at once at most
        let cases = [
            (1_048_576, 2, None, 524_096, 256),
            (20_000, 2, None, 9_808, 256),
            (20_000, 2, Some(50), 50, 256),
            (20_000, 1, None, 9_872, 128),
            (1_024, 64, None, 392, 112),
            (130, 1, None, 1, 0),
            (100, 1, None, 1, 0),
        ];
        for (descriptors, cores, written, max, surplus) in cases {
            let cores = NonZeroUsize::new(cores).unwrap();
            let written = written.and_then(NonZeroUsize::new);
            let expected = Connections { max, surplus };
            assert_eq!(connections(descriptors, cores, written), expected, "{descriptors} and {cores}");
        }
    }
}
