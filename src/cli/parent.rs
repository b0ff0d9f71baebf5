//! Ending with the process that started this one.

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::Failure;

/// From now on this process gets SIGTERM when its parent ends, however that ends, `kill -9` included. `parent` is the
/// number that it has if it has not ended already. To the system the parent is the thread that started this one, so that it
/// has to be one that lives as long as its process.
pub(super) fn end_with(parent: i32) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if getppid().map(Pid::as_raw_pid) == Some(parent) {
        Ok(())
    } else {
        Err("the process that started this one has ended".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_that_is_not_there_any_more_is_noticed() {
        let parent = getppid().map(Pid::as_raw_pid).unwrap();
        assert!(end_with(parent + 1).is_err());
        set_parent_process_death_signal(None).unwrap();
    }
}
