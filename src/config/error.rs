//! What can be wrong with a configuration: one variant per broken rule, each with what to write instead.

use std::fmt;
use std::io;

use thiserror::Error;

use crate::base::command_template::CommandTemplateError;
use crate::base::engine_address::EngineAddressError;
use crate::base::forwarding::IdFieldNameError;
use crate::base::key_source::KeySourceError;
use crate::base::network::NetworkError;
use crate::base::route_match::RouteMatchError;

/// Errors beyond this many are counted, not listed.
const ERRORS_LISTED_MAX: usize = 50;
/// What a file quotes of itself is cut at this many characters a line.
const LINE_CHARACTERS_MAX: usize = 400;

/// All that is wrong with one file, in the order of its lines. Displays as one line for each error:
/// `ringway.toml:12: service[0].timeouts.connect_ms: must be at least 1; write the time in milliseconds`.
#[derive(Debug)]
pub struct ConfigErrors {
    file_name: String,
    errors: Vec<ConfigError>,
}

/// One thing that is wrong, and where.
#[derive(Debug)]
pub struct ConfigError {
    /// The line, counted from 1; `None` if the file as a whole is meant.
    pub line: Option<usize>,
    /// The key's path, such as `service[0].match.host` (lists count from 0); empty if the file as a whole is meant.
    pub key: String,
    /// The broken rule.
    pub fault: Fault,
}

/// The rules that a file can break. The texts say what to do about it.
#[derive(Debug, Error)]
pub enum Fault {
    /// The file cannot be opened or read.
    #[error("cannot be read: {0}; check the path and its permissions")]
    Unreadable(io::Error),
    /// The file is larger than a configuration may be.
    #[error("is larger than {0} bytes; is this the configuration?")]
    FileSize(usize),
    /// A byte sequence that is no UTF-8.
    #[error("holds bytes that are not UTF-8; save the file as UTF-8")]
    Encoding,
    /// Not TOML; the text is the parser's.
    #[error("{0}; write it as TOML has it (key = value, strings in quotes, each key once)")]
    Syntax(String),
    /// A key that does not exist here.
    #[error("unknown key; {0}")]
    UnknownKey(String),
    /// A value of another type.
    #[error("must be {expected}, not {found}; write it as in {example}")]
    WrongType {
        /// The type that is wanted.
        expected: &'static str,
        /// The type that is there.
        found: &'static str,
        /// A right value.
        example: String,
    },
    /// A number below its bound.
    #[error("must be at least {min}; {advice}")]
    TooSmall {
        /// The bound.
        min: String,
        /// What the number means.
        advice: &'static str,
    },
    /// A number above its bound.
    #[error("must be at most {max}; {advice}")]
    TooLarge {
        /// The bound.
        max: String,
        /// What the number means.
        advice: &'static str,
    },
    /// A word that is none of those that may stand here.
    #[error("'{word}' is not known here; write {known}")]
    UnknownWord {
        /// The word as written.
        word: String,
        /// All that may stand here.
        known: String,
    },
    /// Something that is planned but not built.
    #[error("this version does not have {what} yet; {instead}")]
    NotYet {
        /// What is missing.
        what: String,
        /// What to do instead.
        instead: String,
    },
    /// More list entries than there may be.
    #[error("holds more than {0} entries; shorten the list")]
    TooMany(usize),
    /// A list without entries.
    #[error("is an empty list; write one entry at least, as in {0}")]
    EmptyList(&'static str),
    /// A key that has no default because nothing could stand for it.
    #[error("is missing; write it as in {0}")]
    Missing(&'static str),
    /// A name with other characters, or none, or too many.
    #[error("is no proper name; write 1 to {bytes_max} {characters}")]
    Name {
        /// The longest name.
        bytes_max: usize,
        /// What it may be made of.
        characters: &'static str,
    },
    /// A key beside a choice that it has nothing to say to.
    #[error(
        "belongs to {choice} = {owners}, and this is \"{chosen}\"; remove this key, or write {choice} = {owners}"
    )]
    OtherChoice {
        /// The key that chooses, such as `algorithm`.
        choice: &'static str,
        /// The words with which the key may stand, in quotes.
        owners: &'static str,
        /// The word that is there.
        chosen: &'static str,
    },
    /// A number with too many decimals, or written in another way.
    #[error("is no number with {decimals_max} decimals at most; {advice}")]
    Decimals {
        /// The most digits behind the point.
        decimals_max: usize,
        /// What the number means.
        advice: &'static str,
    },
    /// A number between two powers of two.
    #[error("must be a power of two; write {below} or {above}")]
    PowerOfTwo {
        /// The next smaller one.
        below: u32,
        /// The next larger one.
        above: u32,
    },
    /// A weight where weights play no part.
    #[error(
        "\"{algorithm}\" has no weights, each replica takes the same part; remove the weight, or use another algorithm"
    )]
    Weight {
        /// The word of the algorithm.
        algorithm: &'static str,
    },
    /// No path to ask for.
    #[error(
        "is no path; write 1 to {bytes_max} visible ASCII characters, the first a '/', as in \"/heartbeat\""
    )]
    HeartbeatPath {
        /// The longest path.
        bytes_max: usize,
    },
    /// No string that the system can be given.
    #[error("must be a string of {min} to {max} bytes without NUL; write it as in {example}")]
    SystemString {
        /// The shortest string.
        min: usize,
        /// The longest string.
        max: usize,
        /// A right value.
        example: &'static str,
    },
    /// No template.
    #[error(transparent)]
    CommandTemplate(#[from] CommandTemplateError),
    /// No name of an environment variable.
    #[error("is no name of a variable; write 1 to {bytes_max} bytes without '=' and NUL")]
    VariableName {
        /// The longest name.
        bytes_max: usize,
    },
    /// The name of a variable that Ringway sets itself.
    #[error("names that begin with {prefix} are Ringway's own; give the variable another name")]
    ReservedVariable {
        /// What they begin with.
        prefix: &'static str,
    },
    /// Not LOW-HIGH.
    #[error(
        "'{written}' is no range of ports; write the lowest and a higher one, {min} or above, as in \"20000-29999\""
    )]
    Ports {
        /// The string as written.
        written: String,
        /// The lowest port that may be written.
        min: u16,
    },
    /// Fewer ports than replicas.
    #[error("holds {ports} ports for {count} replicas; write a wider range, or a smaller count")]
    FewPorts {
        /// How many ports there are.
        ports: usize,
        /// How many replicas there are to begin with.
        count: usize,
    },
    /// No name or number of a user.
    #[error(
        "is no user; write a name of 1 to {bytes_max} visible ASCII characters without ':' and '/', or a number below 4294967295"
    )]
    User {
        /// The longest name.
        bytes_max: usize,
    },
    /// A placeholder for this program where there is none.
    #[error(
        "{{ringway}} stands for this program, which the container does not have; write the path of a program in the image"
    )]
    NoProgram,
    /// No reference of an image.
    #[error("is no image; write 1 to {bytes_max} visible ASCII characters, as in \"ringway-worker:1.0\"")]
    Image {
        /// The longest reference.
        bytes_max: usize,
    },
    /// No name of a network, or one that gives a container no address.
    #[error(
        "is no network on which containers have addresses of their own; write the name of a bridge or overlay network"
    )]
    ContainerNetwork,
    /// No address of an engine.
    #[error(transparent)]
    EngineAddress(#[from] EngineAddressError),
    /// No name of a label.
    #[error("is no name of a label; write 1 to {bytes_max} visible ASCII characters")]
    LabelName {
        /// The longest name.
        bytes_max: usize,
    },
    /// The name of a label that Ringway sets itself.
    #[error("labels that begin with {prefix} are Ringway's own; give the label another name")]
    ReservedLabel {
        /// What they begin with.
        prefix: &'static str,
    },
    /// No amount of memory.
    #[error(
        "is no amount of memory; write bytes, or a number with k, m or g behind it, 6m at least, as in \"512m\""
    )]
    Memory,
    /// No volume.
    #[error(
        "'{0}' is no volume; write SOURCE:TARGET or SOURCE:TARGET:ro, the target an absolute path, the source one or the name of a volume"
    )]
    Volume(String),
    /// No user of a container.
    #[error(
        "is no user; write a name or a number, and if need be a group behind a colon, as in \"1000:1000\""
    )]
    ContainerUser,
    /// Two services of one name.
    #[error("the service of line {line} has this name, too; give each [[service]] a name of its own")]
    DuplicateService {
        /// Where the other one is.
        line: usize,
    },
    /// Two replicas of one name in a service.
    #[error(
        "the replica of line {line} has the name '{name}', too; give one of them another: {{ name = \"b\", address = ... }}"
    )]
    DuplicateReplica {
        /// The name, written or taken from the address.
        name: String,
        /// Where the other one is.
        line: usize,
    },
    /// Two services for the same requests.
    #[error("the service of line {line} takes {route} already; give one of them another host or path")]
    DuplicateRoute {
        /// Host and path.
        route: String,
        /// Where the other one is.
        line: usize,
    },
    /// One address for two listeners.
    #[error("{0} is listened on already; write each address once")]
    DuplicateAddress(std::net::SocketAddr),
    /// Not HOST:PORT.
    #[error(
        "'{0}' is no address; write it as 127.0.0.1:9001, [::1]:9001 or name:9001 (0.0.0.0 stands for all)"
    )]
    Address(String),
    /// An address of a replica with port 0.
    #[error("a replica needs a port from 1 to 65535; write it behind the colon")]
    PortZero,
    /// A name that has no address; `reason` is the resolver's.
    #[error(
        "'{name}' cannot be resolved: {reason}; write an IP address, or a name that is known when Ringway starts"
    )]
    Unresolved {
        /// The name.
        name: String,
        /// What the resolver said.
        reason: String,
    },
    /// No network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// No field for ids.
    #[error(transparent)]
    IdFieldName(#[from] IdFieldNameError),
    /// Ids on answers, and none on requests.
    #[error(
        "there is no id to answer with, since proxy.request_id names no field; name one, or remove this key"
    )]
    NoRequestId,
    /// No key source.
    #[error(transparent)]
    KeySource(#[from] KeySourceError),
    /// Key sources behind `random`.
    #[error("is never tried, because 'random' stands before it; put 'random' last")]
    BehindRandom,
    /// No host pattern or path prefix.
    #[error(transparent)]
    RouteMatch(#[from] RouteMatchError),
    /// The token's file cannot be read.
    #[error("{path} cannot be read: {reason}; write the token into that file, or leave token_file empty")]
    TokenUnreadable {
        /// The file.
        path: String,
        /// What the system said.
        reason: io::Error,
    },
    /// The token's file holds no token.
    #[error("{path} holds no token; write 1 to {bytes_max} visible ASCII characters into it, on one line")]
    Token {
        /// The file.
        path: String,
        /// The longest token.
        bytes_max: usize,
    },
    /// Control calls that anybody on the network could make.
    #[error(
        "lets anybody who reaches {address} add and remove replicas; set admin.token_file, or use a loopback address, \
         or say admin.allow_unauthenticated = true"
    )]
    Exposed {
        /// The address that is not loopback.
        address: std::net::SocketAddr,
    },
}

impl ConfigErrors {
    /// Errors in the order of their lines; `errors` is not empty.
    pub(super) fn new(file_name: &str, mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by_key(|error| error.line);
        ConfigErrors { file_name: file_name.to_owned(), errors }
    }

    /// One error that concerns the whole file.
    pub(super) fn of_file(file_name: &str, fault: Fault) -> Self {
        ConfigErrors::new(file_name, vec![ConfigError { line: None, key: String::new(), fault }])
    }

    /// The errors, in the order of their lines.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.errors.iter()
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().take(ERRORS_LISTED_MAX).enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{}", self.line_of(error))?;
        }
        match self.errors.len().saturating_sub(ERRORS_LISTED_MAX) {
            0 => Ok(()),
            more => write!(formatter, "\n{}: and {more} more errors", self.file_name),
        }
    }
}

impl ConfigErrors {
    /// What the file quotes of itself may hold line breaks and be as long as the file: both are tamed here.
    fn line_of(&self, error: &ConfigError) -> String {
        let text = match (error.line, error.key.as_str()) {
            (Some(line), "") => format!("{}:{line}: {}", self.file_name, error.fault),
            (Some(line), key) => format!("{}:{line}: {key}: {}", self.file_name, error.fault),
            (None, _) => format!("{}: {}", self.file_name, error.fault),
        };
        let escape = |character: char| if character.is_control() { '\u{fffd}' } else { character };
        text.chars().map(escape).take(LINE_CHARACTERS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: usize, key: &str) -> ConfigError {
        ConfigError { line: Some(line), key: key.to_owned(), fault: Fault::BehindRandom }
    }

    #[test]
    fn the_display_is_one_line_for_each_error_in_the_order_of_the_file() {
        let errors = ConfigErrors::new("a.toml", vec![error(7, "b"), error(2, "a\nb")]);
        let text = errors.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("a.toml:2: a\u{fffd}b: is never tried"), "{text}");
        assert!(lines[1].starts_with("a.toml:7: b: is never tried"), "{text}");
    }

    #[test]
    fn long_lists_and_long_lines_are_cut() {
        let errors = (0..60).map(|line| error(line, &"k".repeat(10_000))).collect();
        let text = ConfigErrors::new("a.toml", errors).to_string();
        assert_eq!(text.lines().count(), 51);
        assert!(text.ends_with("a.toml: and 10 more errors"));
        assert!(text.lines().all(|line| line.chars().count() <= LINE_CHARACTERS_MAX));
    }

    #[test]
    fn an_error_of_the_whole_file_names_no_line() {
        let text = ConfigErrors::of_file("a.toml", Fault::FileSize(9)).to_string();
        assert_eq!(text, "a.toml: is larger than 9 bytes; is this the configuration?");
    }
}
