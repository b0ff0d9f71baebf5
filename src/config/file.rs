//! The file as a whole: its bytes, its top level, its order.

use std::num::NonZeroUsize;
use std::path::Path;

use super::error::{ConfigError, Fault};
use super::reader::Reader;
use super::section::Section;
use super::surroundings::Surroundings;
use super::{CORES_MAX, Config, EngineChoice, FILE_BYTES_MAX, LISTENERS_MAX, ListenConfig};
use super::{address, admin, forwarding, limits, service, state, syntax};

/// The file's bytes as text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, ConfigError> {
    let error = |line, fault| ConfigError { line, key: String::new(), fault };
    if bytes.len() > FILE_BYTES_MAX {
        return Err(error(None, Fault::FileSize(FILE_BYTES_MAX)));
    }
    str::from_utf8(bytes).map_err(|fault| {
        let before = &bytes[..fault.valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        error(Some(line), Fault::Encoding)
    })
}

/// Text -> configuration, or all that is wrong with it. What is no TOML is not looked at further. `file` is where the
/// text comes from, if it is from a file: what the paths in it are relative to.
pub(super) fn parse(
    file: Option<&Path>,
    text: &str,
    surroundings: &dyn Surroundings,
) -> Result<Config, Vec<ConfigError>> {
    if text.len() > FILE_BYTES_MAX {
        return Err(vec![ConfigError {
            line: None,
            key: String::new(),
            fault: Fault::FileSize(FILE_BYTES_MAX),
        }]);
    }
    let table = syntax::parse(text)?;
    let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
    let reader = Reader::new(text, folder, surroundings);
    let config = reader.read(&table, |top| config(top, file));
    let errors = reader.into_errors();
    if errors.is_empty() { Ok(config) } else { Err(errors) }
}

fn config(top: &mut Section<'_>, file: Option<&Path>) -> Config {
    let listen = top.section("listen", "[listen] http = \"127.0.0.1:8080\"", listen);
    let (client, trusted) = top.section("client", "[client] header_ms = 10000", |section| {
        (limits::client(section), forwarding::trusted(section))
    });
    Config {
        engine: engine(top),
        cores: cores(top),
        admin: top.section("admin", "[admin] listen = \"127.0.0.1:8081\"", |section| {
            admin::read(section, &listen.http)
        }),
        listen,
        client,
        forwarding: top.section("proxy", "[proxy] forwarded = \"x-forwarded\"", |section| {
            forwarding::read(section, trusted)
        }),
        drain: top.section("drain", "[drain] timeout_ms = 30000", limits::drain),
        log: top.section("log", "[log] level = \"info\"", limits::log),
        state: top
            .section("state", "[state] directory = \"ringway.state\"", |section| state::read(section, file)),
        services: service::read_all(top),
    }
}

fn engine(top: &mut Section<'_>) -> EngineChoice {
    let engines =
        [("auto", EngineChoice::Auto), ("io_uring", EngineChoice::IoUring), ("epoll", EngineChoice::Epoll)];
    top.word("engine", &engines, &[], EngineChoice::Auto)
}

fn cores(top: &mut Section<'_>) -> Option<NonZeroUsize> {
    let advice = "write how many threads serve, or leave it out for one on each CPU";
    NonZeroUsize::new(top.value("cores")?.number(1..=CORES_MAX, advice)?)
}

fn listen(section: &mut Section<'_>) -> ListenConfig {
    let Some(value) = section.value("http") else {
        return ListenConfig { http: Box::new([address::DEFAULT_LISTEN]) };
    };
    let mut http = Vec::new();
    for value in value.one_or_list(LISTENERS_MAX, "http = [\"127.0.0.1:8080\"]") {
        let Some(address) = address::read(&value, "\"127.0.0.1:8080\"") else { continue };
        if address.port() != 0 && http.contains(&address) {
            value.fail(Fault::DuplicateAddress(address));
        }
        http.push(address);
    }
    ListenConfig { http: http.into() }
}
