//! The process's limit of descriptors.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// No more descriptors than this are asked for: limits of a billion exist, and make programs that size tables by them
/// fail.
const DESCRIPTORS_MAX: u64 = 1 << 20;
/// Descriptors that are kept for listeners, engines, files and the operator.
const RESERVED: u64 = 128;

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

/// How many client connections may be open: each may need a connection to a replica as well.
pub(super) fn connections(descriptors: u64) -> u64 {
    (descriptors.saturating_sub(RESERVED) / 2).max(1)
}
