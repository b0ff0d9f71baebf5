//! What the replicas of every provider of Ringway's own have: how many, their command and environment, and how they are
//! kept running.

use crate::base::command_template::CommandTemplate;
use crate::base::supervision::{OnExit, StopSignal, Supervision};

use super::error::Fault;
use super::section::Section;
use super::value::Value;
use super::{COMMAND_WORDS_MAX, ENVIRONMENT_MAX, REPLICAS_MAX};

/// The keys that only Ringway's own replicas have, whoever starts them.
pub(super) const KEYS: [&str; 13] = [
    "count",
    "command",
    "env",
    "user",
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
pub(super) const WORD_BYTES_MAX: usize = 4_096;
const VARIABLE_NAME_BYTES_MAX: usize = 255;
/// What the names of the variables begin with by which Ringway finds its replicas again.
const RESERVED_PREFIX: &str = "RINGWAY_";
const CRASH_LOOP_MAX: u32 = 1_000;

const SIGNALS: [(&str, StopSignal); 6] = [
    ("INT", StopSignal::Int),
    ("TERM", StopSignal::Term),
    ("QUIT", StopSignal::Quit),
    ("HUP", StopSignal::Hup),
    ("USR1", StopSignal::Usr1),
    ("USR2", StopSignal::Usr2),
];

/// How many replicas there are to begin with.
pub(super) fn count(section: &mut Section<'_>) -> usize {
    section.number("count", 0..=REPLICAS_MAX, 1, "write how many replicas there are to begin with")
}

/// The command, which has to be written.
pub(super) fn command(section: &mut Section<'_>) -> Box<[CommandTemplate]> {
    if !section.has("command") {
        section.fail("command", Fault::Missing(COMMAND_EXAMPLE));
    }
    command_if_any(section)
}

/// The command, or no words.
pub(super) fn command_if_any(section: &mut Section<'_>) -> Box<[CommandTemplate]> {
    let Some(value) = section.value("command") else { return Box::default() };
    let words = value.list(COMMAND_WORDS_MAX, COMMAND_EXAMPLE).into_iter().enumerate();
    // An argument may be empty, a program may not.
    words.filter_map(|(index, word)| template(&word, usize::from(index == 0), "\"./server\"")).collect()
}

fn template(value: &Value<'_>, bytes_min: usize, example: &'static str) -> Option<CommandTemplate> {
    let written = value.system_string(bytes_min..=WORD_BYTES_MAX, example)?;
    value.check(written.parse())
}

/// Variables, each with its value.
pub(super) fn environment(section: &mut Section<'_>) -> Box<[(Box<str>, CommandTemplate)]> {
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

/// How they are watched, started again and stopped.
pub(super) fn supervision(section: &mut Section<'_>) -> Supervision {
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
