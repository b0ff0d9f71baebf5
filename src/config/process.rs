//! `replicas` of the provider `process`: child processes, and how they are kept running.

use std::ops::RangeInclusive;

use crate::base::command_template::CommandTemplate;
use crate::base::supervision::{OnExit, StopSignal, Supervision};

use super::error::Fault;
use super::section::Section;
use super::value::Value;
use super::{COMMAND_WORDS_MAX, ENVIRONMENT_MAX, PORT_MIN, ProcessConfig, REPLICAS_MAX};

/// The keys that only child processes have.
pub(super) const KEYS: [&str; 15] = [
    "count",
    "command",
    "env",
    "directory",
    "user",
    "ports",
    "startup_ms",
    "stable_ms",
    "backoff_min_ms",
    "backoff_max_ms",
    "crash_loop",
    "drain_ms",
    "stop_timeout_ms",
    "stop_signal",
    "on_exit",
];

const COMMAND_EXAMPLE: &str = "command = [\"./server\", \"--port\", \"{port}\"]";
const ENVIRONMENT_EXAMPLE: &str = "env = { SERVER_NAME = \"{name}\" }";
/// The longest word of a command, and the longest value of a variable.
const WORD_BYTES_MAX: usize = 4_096;
const VARIABLE_NAME_BYTES_MAX: usize = 255;
/// What the names of the variables begin with by which Ringway finds its replicas again.
const RESERVED_PREFIX: &str = "RINGWAY_";
const USER_BYTES_MAX: usize = 64;
/// The largest number of a user; the one above stands for "no change" in system calls.
const USER_NUMBER_MAX: u32 = u32::MAX - 1;
const CRASH_LOOP_MAX: u32 = 1_000;

const SIGNALS: [(&str, StopSignal); 6] = [
    ("INT", StopSignal::Int),
    ("TERM", StopSignal::Term),
    ("QUIT", StopSignal::Quit),
    ("HUP", StopSignal::Hup),
    ("USR1", StopSignal::Usr1),
    ("USR2", StopSignal::Usr2),
];

/// Reads the table of a service's own processes.
pub(super) fn read(section: &mut Section<'_>) -> ProcessConfig {
    let advice = "write how many replicas there are to begin with";
    let count = section.number("count", 0..=REPLICAS_MAX, 1, advice);
    ProcessConfig {
        count,
        command: command(section),
        environment: environment(section),
        directory: section.value("directory").and_then(|value| value.path("\"work\"")),
        user: section.value("user").and_then(|value| user(&value)),
        ports: section.value("ports").and_then(|value| ports(&value, count)),
        supervision: supervision(section),
    }
}

fn command(section: &mut Section<'_>) -> Box<[CommandTemplate]> {
    let Some(value) = section.value("command") else {
        section.fail("command", Fault::Missing(COMMAND_EXAMPLE));
        return Box::default();
    };
    let words = value.list(COMMAND_WORDS_MAX, COMMAND_EXAMPLE).into_iter().enumerate();
    // An argument may be empty, a program may not.
    words.filter_map(|(index, word)| template(&word, usize::from(index == 0), "\"./server\"")).collect()
}

fn template(value: &Value<'_>, bytes_min: usize, example: &'static str) -> Option<CommandTemplate> {
    let written = value.system_string(bytes_min..=WORD_BYTES_MAX, example)?;
    value.check(written.parse())
}

fn environment(section: &mut Section<'_>) -> Box<[(Box<str>, CommandTemplate)]> {
    let Some(value) = section.value("env") else { return Box::default() };
    let entries = value.entries(ENVIRONMENT_MAX, ENVIRONMENT_EXAMPLE);
    entries.iter().filter_map(|(name, value)| variable(name, value)).collect()
}

fn variable(name: &str, value: &Value<'_>) -> Option<(Box<str>, CommandTemplate)> {
    let name = value.check(variable_name(name));
    let content = template(value, 0, "\"value\"");
    Some((name?.into(), content?))
}

fn variable_name(name: &str) -> Result<&str, Fault> {
    let proper = (1..=VARIABLE_NAME_BYTES_MAX).contains(&name.len()) && !name.contains(['=', '\0']);
    match proper {
        false => Err(Fault::VariableName { bytes_max: VARIABLE_NAME_BYTES_MAX }),
        true if name.starts_with(RESERVED_PREFIX) => Err(Fault::ReservedVariable { prefix: RESERVED_PREFIX }),
        true => Ok(name),
    }
}

/// A name, or a number written with or without quotes.
fn user(value: &Value<'_>) -> Option<Box<str>> {
    if value.is_whole_number() {
        let number = value.number(0..=USER_NUMBER_MAX, "write the user's number")?;
        return Some(number.to_string().into());
    }
    let written = value.text("\"nobody\"")?;
    let proper =
        if is_user(written) { Ok(written.into()) } else { Err(Fault::User { bytes_max: USER_BYTES_MAX }) };
    value.check(proper)
}

fn is_user(written: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_graphic() && !b":/".contains(&byte);
    let is_name = (1..=USER_BYTES_MAX).contains(&written.len()) && written.bytes().all(is_name_byte);
    let is_number = written.bytes().all(|byte| byte.is_ascii_digit());
    is_name && (!is_number || written.parse().is_ok_and(|number: u32| number <= USER_NUMBER_MAX))
}

/// `LOW-HIGH`, with a port at least for each of the first replicas.
fn ports(value: &Value<'_>, count: usize) -> Option<RangeInclusive<u16>> {
    let written = value.text("\"20000-29999\"")?;
    let unreadable = || Fault::Ports { written: written.to_owned(), min: PORT_MIN };
    let range = value.check(port_range(written).ok_or_else(unreadable))?;
    let ports = range.len();
    let proper = if ports >= count { Ok(range) } else { Err(Fault::FewPorts { ports, count }) };
    value.check(proper)
}

fn port_range(written: &str) -> Option<RangeInclusive<u16>> {
    let (low, high) = written.split_once('-')?;
    let (low, high) = (port(low)?, port(high)?);
    (PORT_MIN <= low && low < high).then_some(low..=high)
}

fn port(written: &str) -> Option<u16> {
    // The number's own reader would take a sign, too.
    let is_digits = written.bytes().all(|byte| byte.is_ascii_digit());
    written.parse().ok().filter(|_| is_digits)
}

fn supervision(section: &mut Section<'_>) -> Supervision {
    let default = Supervision::default();
    let backoff_max = section.millis("backoff_max_ms", default.backoff_max);
    let crash_loop = "write how many starts may fail in a row before that is called a crash loop";
    let ends = [("stop", OnExit::Stop), ("keep", OnExit::Keep)];
    Supervision {
        startup: section.millis("startup_ms", default.startup),
        stable: section.millis("stable_ms", default.stable),
        backoff_min: section.millis_within(
            "backoff_min_ms",
            1..=backoff_max.as_millis() as u64,
            default.backoff_min.min(backoff_max),
            "write the first pause between two starts, in milliseconds and not above backoff_max_ms",
        ),
        backoff_max,
        crash_loop: section.number("crash_loop", 1..=CRASH_LOOP_MAX, default.crash_loop, crash_loop),
        drain: section.millis("drain_ms", default.drain),
        stop_timeout: section.millis("stop_timeout_ms", default.stop_timeout),
        stop_signal: stop_signal(section).unwrap_or(default.stop_signal),
        on_exit: section.word("on_exit", &ends, &[], default.on_exit),
    }
}

/// A signal's name, with or without its `SIG`.
fn stop_signal(section: &mut Section<'_>) -> Option<StopSignal> {
    let value = section.value("stop_signal")?;
    let written = value.text("\"SIGINT\"")?;
    let name = written.strip_prefix("SIG").unwrap_or(written);
    let found = SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, signal)| *signal);
    let known = || SIGNALS.map(|(known, _)| format!("\"SIG{known}\"")).join(" or ");
    value.check(found.ok_or_else(|| Fault::UnknownWord { word: written.to_owned(), known: known() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_is_two_numbers_in_their_order() {
        let cases = [
            ("20000-29999", Some(20_000..=29_999)),
            ("1024-1025", Some(1_024..=1_025)),
            ("1024-65535", Some(1_024..=65_535)),
            ("1023-2000", None),
            ("2000-2000", None),
            ("2001-2000", None),
            ("2000-65536", None),
            ("2000", None),
            ("2000-", None),
            ("-2000", None),
            ("", None),
            ("+2000-3000", None),
            ("2000 - 3000", None),
            ("2000-3000-4000", None),
        ];
        for (written, expected) in cases {
            assert_eq!(port_range(written), expected, "{written}");
        }
    }

    #[test]
    fn users_have_names_or_numbers() {
        let long = "x".repeat(USER_BYTES_MAX);
        for written in
            ["nobody", "0", "4294967294", "_www", "web.server-1", "DOMAIN\\user", "user@domain", &long]
        {
            assert!(is_user(written), "{written}");
        }
        let longer = long.clone() + "x";
        for written in ["", "a b", "a:b", "../a", "é", "4294967295", "99999999999", &longer] {
            assert!(!is_user(written), "{written}");
        }
    }
}
