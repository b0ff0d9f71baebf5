//! Which process is meant: an id alone names another process after its end.

use std::fs;
use std::io;

use rustix::process::Pid;

use crate::provider::Record;

/// The variable that holds an instance's nonce.
pub(super) const NONCE_VARIABLE: &str = "RINGWAY_NONCE";

/// One process of one start of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) pid: u32,
    pub(super) start_ticks: u64,
    pub(super) boot_id: Box<str>,
}

/// What of `/proc/PID/stat` is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Whether it has not ended: a zombie has.
    pub(super) is_alive: bool,
    /// Its process group.
    pub(super) group: u32,
    /// Its session.
    pub(super) session: u32,
    /// When it was started, in clock ticks since the machine's start.
    pub(super) start_ticks: u64,
}

/// What a process's environment says of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Testimony {
    /// It holds the nonce.
    Same,
    /// It holds another one.
    Another,
    /// It holds none, or cannot be read.
    Silent,
}

impl Identity {
    /// That of a process which cannot be reaped meanwhile: this one, or a child.
    pub(super) fn of(pid: u32) -> Result<Self, String> {
        let stat = stat(pid).ok_or_else(|| format!("/proc/{pid}/stat cannot be read"))?;
        Ok(Identity { pid, start_ticks: stat.start_ticks, boot_id: boot_id()? })
    }

    /// What was recorded of a process; `None`: the record is not of one.
    pub(super) fn of_record(record: &Record) -> Option<Self> {
        match record {
            Record::Process { pid, start_ticks, boot_id } => {
                Some(Identity { pid: *pid, start_ticks: *start_ticks, boot_id: boot_id.clone() })
            }
            Record::Docker { .. } => None,
        }
    }

    /// For the state file.
    pub(super) fn into_record(self) -> Record {
        Record::Process { pid: self.pid, start_ticks: self.start_ticks, boot_id: self.boot_id }
    }

    /// Whether the process lives, in the start of the machine that `boot_id` names.
    pub(super) fn is_alive(&self, boot_id: &str) -> bool {
        *self.boot_id == *boot_id
            && stat(self.pid).is_some_and(|stat| stat.is_alive && stat.start_ticks == self.start_ticks)
    }
}

/// The machine's present start.
pub(super) fn boot_id() -> Result<Box<str>, String> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    match fs::read_to_string(PATH) {
        Ok(text) => Ok(text.trim().into()),
        Err(error) => Err(format!("cannot read {PATH}: {error}")),
    }
}

/// The id as the system's calls take it; `None` for 0 and what is no process id.
pub(super) fn system_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// `None` where there is no such process.
pub(super) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is the program's name in parentheses, and may itself hold blanks and parentheses; no later field does.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Numbered as in proc(5), where the first one here is number 3.
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Stat {
        is_alive: !matches!(field(3)?, "Z" | "X" | "x"),
        group: field(5)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        start_ticks: field(22)?.parse().ok()?,
    })
}

/// The nonce in a process's environment, as it was when the process became its program.
pub(super) fn nonce(pid: u32) -> io::Result<Option<Box<str>>> {
    Ok(find_nonce(&fs::read(format!("/proc/{pid}/environ"))?))
}

/// What a process's environment says of the instance with `nonce`.
pub(super) fn testimony(pid: u32, nonce: &str) -> Testimony {
    match self::nonce(pid) {
        Ok(Some(found)) if *found == *nonce => Testimony::Same,
        Ok(Some(_)) => Testimony::Another,
        Ok(None) | Err(_) => Testimony::Silent,
    }
}

fn find_nonce(environment: &[u8]) -> Option<Box<str>> {
    let value = environment
        .split(|&byte| byte == 0)
        .find_map(|variable| variable.strip_prefix(NONCE_VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    str::from_utf8(value).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_may_hold_anything() {
        let rest = " S 1 42 41 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 2000 18446744073709551615";
        let expected = Stat { is_alive: true, group: 42, session: 41, start_ticks: 98_765 };
        for name in ["sh", "a b", ") Z 9 9 9", "((", "a)b) S (", ""] {
            assert_eq!(parse_stat(&format!("7 ({name}){rest}")), Some(expected), "{name}");
        }
        for (state, is_alive) in [("Z", false), ("X", false), ("R", true), ("D", true), ("T", true)] {
            let text = format!("7 (sh){}", rest.replacen('S', state, 1));
            assert_eq!(parse_stat(&text).map(|stat| stat.is_alive), Some(is_alive), "{state}");
        }
        for text in
            ["", "7 (sh", "7 (sh)", "7 (sh) S 1 42", "7 (sh) S 1 a 41 0 -1 4 1 2 3 4 5 6 7 8 9 0 1 0 9"]
        {
            assert_eq!(parse_stat(text), None, "{text}");
        }
    }

    #[test]
    fn this_process_is_alive_and_one_with_another_start_is_not() {
        let own = Identity::of(std::process::id()).unwrap();
        let boot = boot_id().unwrap();
        assert!(own.is_alive(&boot));
        assert!(!own.is_alive("another boot"));
        assert!(!Identity { start_ticks: own.start_ticks - 1, ..own.clone() }.is_alive(&boot));
        assert!(!Identity { pid: 0, ..own.clone() }.is_alive(&boot));
        assert_eq!(Identity::of_record(&own.clone().into_record()), Some(own));
    }

    #[test]
    fn the_nonce_is_a_whole_variable() {
        for (environment, expected) in [
            (&b"A=b\0RINGWAY_NONCE=0f\0C=d\0"[..], Some("0f")),
            (b"RINGWAY_NONCE=0f", Some("0f")),
            (b"XRINGWAY_NONCE=0f\0RINGWAY_NONCE_=1\0A=RINGWAY_NONCE=2", None),
            (b"RINGWAY_NONCE=", Some("")),
            (b"", None),
            (b"RINGWAY_NONCE=\xff", None),
        ] {
            assert_eq!(find_nonce(environment).as_deref(), expected, "{environment:?}");
        }
    }
}
