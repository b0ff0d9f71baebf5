//! What the engine's events say of a container.

use std::collections::HashMap;

/// What happened to a container, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// Its process ended.
    Died {
        /// With this code, if the engine said so.
        exit_code: Option<i64>,
    },
    /// The kernel ended a process of it for want of memory.
    OutOfMemory,
    /// It was removed.
    Removed,
    /// Something that changes nothing: heartbeats find what comes of it.
    Other,
}

/// Reads an action as engines write it. Some carry a suffix: `health_status: healthy`, `exec_create: sh -c true`.
pub(super) fn interpret(action: &str, attributes: &HashMap<String, String>) -> Happening {
    match action.split(':').next().map(str::trim) {
        Some("die") => {
            let exit_code = attributes.get("exitCode").and_then(|code| code.parse().ok());
            Happening::Died { exit_code }
        }
        Some("oom") => Happening::OutOfMemory,
        Some("destroy") => Happening::Removed,
        _ => Happening::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_told_by_what_stands_before_their_suffix() {
        let died = |exit_code| Happening::Died { exit_code };
        let cases: &[(&str, Option<&str>, Happening)] = &[
            ("die", Some("137"), died(Some(137))),
            ("die", Some("0"), died(Some(0))),
            ("die", Some("many"), died(None)),
            ("die", None, died(None)),
            ("die: suffix", Some("1"), died(Some(1))),
            ("oom", None, Happening::OutOfMemory),
            ("destroy", None, Happening::Removed),
            ("health_status: healthy", None, Happening::Other),
            ("health_status: unhealthy", None, Happening::Other),
            ("exec_create: die", None, Happening::Other),
            ("exec_die", Some("0"), Happening::Other),
            ("kill", None, Happening::Other),
            ("stop", None, Happening::Other),
            ("pause", None, Happening::Other),
            ("", None, Happening::Other),
        ];
        for (action, code, expected) in cases {
            let attributes = code.map(|code| ("exitCode".to_owned(), code.to_owned())).into_iter().collect();
            assert_eq!(interpret(action, &attributes), *expected, "{action}");
        }
    }
}
