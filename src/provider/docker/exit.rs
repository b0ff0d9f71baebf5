//! How a container ended, in words.

use crate::provider::log_lines::harmless_line;

/// What is known of a container's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exit {
    /// The code of its first process; engines show a signal as 128 and its number.
    pub(super) code: Option<i64>,
    /// Whether the kernel ended it for want of memory.
    pub(super) out_of_memory: bool,
    /// What the engine has to say beside that; mostly nothing.
    pub(super) error: String,
}

const SIGNALS: [(i64, &str); 11] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (15, "SIGTERM"),
];

impl Exit {
    /// Two accounts of one end: what the first does not know is taken from the second.
    pub(super) fn or(self, other: Exit) -> Exit {
        Exit {
            code: self.code.or(other.code),
            out_of_memory: self.out_of_memory || other.out_of_memory,
            error: if self.error.is_empty() { other.error } else { self.error },
        }
    }

    /// For the operator.
    pub(super) fn words(&self) -> String {
        let mut words = match self.code {
            _ if self.out_of_memory => {
                "out of memory (OOMKilled); give it more with replicas.memory".to_owned()
            }
            Some(code) => of_code(code),
            None => "ended (its exit code is not known)".to_owned(),
        };
        if !self.error.is_empty() {
            words.push_str(": ");
            words.push_str(&harmless_line(&self.error));
        }
        words
    }
}

fn of_code(code: i64) -> String {
    match SIGNALS.iter().find(|(number, _)| 128 + number == code) {
        Some((_, name)) => format!("killed by {name} (exit code {code})"),
        None => format!("exited with code {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: Option<i64>, out_of_memory: bool, error: &str) -> Exit {
        Exit { code, out_of_memory, error: error.to_owned() }
    }

    #[test]
    fn an_end_is_a_code_a_signal_or_a_want_of_memory() {
        for (end, expected) in [
            (exit(Some(0), false, ""), "exited with code 0"),
            (exit(Some(1), false, ""), "exited with code 1"),
            (exit(Some(128), false, ""), "exited with code 128"),
            (exit(Some(137), false, ""), "killed by SIGKILL (exit code 137)"),
            (exit(Some(143), false, ""), "killed by SIGTERM (exit code 143)"),
            (exit(Some(137), true, ""), "out of memory (OOMKilled); give it more with replicas.memory"),
            (exit(None, false, ""), "ended (its exit code is not known)"),
            (exit(Some(127), false, "no such file\n"), "exited with code 127: no such file\u{fffd}"),
        ] {
            assert_eq!(end.words(), expected);
        }
    }

    #[test]
    fn two_accounts_make_one() {
        let (event, inspected) = (exit(Some(137), false, ""), exit(None, true, "killed"));
        assert_eq!(event.clone().or(inspected.clone()), exit(Some(137), true, "killed"));
        assert_eq!(inspected.or(event), exit(Some(137), true, "killed"));
    }
}
