//! The options of `ringway load`, as they are typed and as a plan.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use thiserror::Error;

use super::{Engine, reach, value};
use crate::cli::cores;
use crate::load::plan::{self, End, Pace, Plan};
use crate::load::requests::{
    Distribution, FILE_BYTES_MAX, FIRST_KEY_MAX, HeaderField, KEYS_MAX, Keys, MethodToken, PathTemplate,
    Paths, RequestSpec, Requests, Share, Target, Template, TemplateError, Writes,
};
use crate::message::is_token;

/// The most connections; beyond it ports run out whatever the machine.
const CONNECTIONS_MAX: u64 = 1_000_000;
/// The most threads.
const THREADS_MAX: u64 = 1_024;
/// The most requests of a run: a year at 30 million a second.
const REQUESTS_MAX: u64 = 1_000_000_000_000_000;
/// The least and the highest rate, per second.
const RATE_MIN: f64 = 0.001;
const RATE_MAX: f64 = 10_000_000.0;
/// The longest run, and the longest warm-up.
const DURATION_MAX: Duration = Duration::from_secs(7 * 86_400);
/// How long a run takes if nothing is said.
const DURATION: Duration = Duration::from_secs(10);
/// The longest time-out: distributions of times end here.
const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);
/// The shortest run and the shortest time-out.
const TIME_MIN: Duration = Duration::from_millis(1);
/// The longest body.
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The most that the bodies of all connections take: each has a copy of its own while it is sent.
const BODIES_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Descriptors that are not for connections: standard streams, files, signals; and those of each thread's engine.
const DESCRIPTORS: u64 = 32;
const DESCRIPTORS_PER_THREAD: u64 = 4;
/// How many keys there are if nothing is said.
const KEYS: NonZeroU64 = NonZeroU64::new(100_000).unwrap();

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct LoadOptions {
    /// What to ask for, over plain HTTP; {key} in its path stands for the request's key, {{ and }} for braces.
    #[arg(value_name = "URL")]
    pub(super) target: Target,
    /// Connections, and so requests under way at once.
    #[arg(short, long, value_name = "N", default_value = "50", value_parser = |written: &str| value::count::<NonZeroU32>(written, CONNECTIONS_MAX))]
    connections: NonZeroU32,
    /// Threads; half of the CPUs if not given, and not more than connections.
    #[arg(short, long, value_name = "N", value_parser = |written: &str| value::count::<NonZeroUsize>(written, THREADS_MAX))]
    threads: Option<NonZeroUsize>,
    /// How long requests are sent and counted, such as 500ms, 10s or 2m; 10s if not given.
    #[arg(short, long, value_name = "TIME", conflicts_with = "requests", value_parser = |written: &str| value::time(written, TIME_MIN..=DURATION_MAX))]
    duration: Option<Duration>,
    /// Send so many requests instead, however long it takes.
    #[arg(short = 'n', long, value_name = "N", value_parser = |written: &str| value::count::<NonZeroU64>(written, REQUESTS_MAX))]
    requests: Option<NonZeroU64>,
    /// Send so many requests per second, at moments fixed beforehand; without it, each as soon as the last is answered.
    #[arg(short, long, value_name = "N", value_parser = |written: &str| value::number(written, RATE_MIN..=RATE_MAX))]
    rate: Option<f64>,
    /// How the moments are spread: at equal distances, which is meant if not given, or at random, as many independent
    /// users would.
    #[arg(long, value_enum, requires = "rate")]
    arrivals: Option<Arrivals>,
    /// How long requests are sent before any is counted.
    #[arg(short, long, value_name = "TIME", default_value = "0s", value_parser = |written: &str| value::time(written, Duration::ZERO..=DURATION_MAX))]
    warm_up: Duration,
    /// How long a connection, and how long an answer, may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = |written: &str| value::time(written, TIME_MIN..=TIMEOUT_MAX))]
    timeout: Duration,
    /// The method; GET, or POST with a body that is not for --writes, if not given.
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<MethodToken>,
    /// The body, with {key} in it for the key and {{ and }} for braces; with --writes, only writes have it.
    #[arg(short, long, value_name = "TEXT", group = "any_body", value_parser = body)]
    body: Option<Template>,
    /// A file to send as the body, as it is, up to 64 MiB; braces in it stand for themselves.
    #[arg(long, value_name = "FILE", group = "any_body")]
    body_file: Option<PathBuf>,
    /// A body of so many bytes, up to 64 MiB.
    #[arg(long, value_name = "BYTES", group = "any_body", value_parser = |written: &str| value::whole(written, 0..=BODY_BYTES_MAX))]
    body_size: Option<u64>,
    /// A header field, with {key} in its value for the key; may be given more than once.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    fields: Vec<HeaderField>,
    /// How many distinct keys there are; 100000 if not given.
    #[arg(long, value_name = "N", conflicts_with = "paths", value_parser = |written: &str| value::count::<NonZeroU64>(written, KEYS_MAX))]
    keys: Option<NonZeroU64>,
    /// The number of the first key; 0 if not given.
    #[arg(long, value_name = "N", conflicts_with = "paths", value_parser = |written: &str| value::whole(written, 0..=FIRST_KEY_MAX))]
    first_key: Option<u64>,
    /// How often each key, or line of --paths, is asked for: uniform, zipf (exponent 1), zipf:EXPONENT or sequential;
    /// uniform for keys and sequential for lines if not given. With zipf the first is the most frequent.
    #[arg(long, value_name = "NAME")]
    distribution: Option<Distribution>,
    /// A file of paths to ask for instead of the URL's, one a line, each with a method before it if that differs; empty
    /// lines and those with # are skipped, and {key} elsewhere stands for the line's number, from 0.
    #[arg(long, value_name = "FILE")]
    paths: Option<PathBuf>,
    /// What chance begins with: the same seed asks for the same.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many of 100 requests are writes, chosen at random.
    #[arg(long, value_name = "PERCENT")]
    writes: Option<Share>,
    /// The method of writes; PUT if not given.
    #[arg(long, value_name = "METHOD", requires = "writes")]
    write_method: Option<MethodToken>,
    /// The path of writes, with {key} in it for the key; that of the others if not given.
    #[arg(long, value_name = "PATH", requires = "writes")]
    write_path: Option<PathTemplate>,
    /// Close each connection after one request.
    #[arg(long)]
    no_keep_alive: bool,
    /// What the connections run on; epoll is ahead with thousands of them.
    #[arg(long, value_enum, default_value_t = Engine::Epoll)]
    pub(super) engine: Engine,
    /// The field of an answer that names the replica.
    #[arg(long, value_name = "NAME", default_value = "X-Replica", value_parser = field_name)]
    replica_field: Box<str>,
    /// Write all that was measured to a file, as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<Output>,
    /// Write what happened when to a file, as CSV; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<Output>,
    /// Draw charts into a directory.
    #[arg(long, value_name = "DIR")]
    pub(super) charts: Option<PathBuf>,
    /// Show no progress.
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Arrivals {
    Even,
    Poisson,
}

/// Where a report is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Standard,
    File(PathBuf),
}

/// Why a run does not begin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::cli) enum LoadError {
    /// 1: a file cannot be used.
    #[error("{0}")]
    File(String),
    /// 2: the options make no sense together.
    #[error("{0}")]
    Usage(String),
    /// 3: nothing answers.
    #[error("{0}")]
    NoAnswer(String),
}

impl LoadError {
    /// The exit code.
    pub(in crate::cli) fn code(&self) -> u8 {
        match self {
            LoadError::File(_) => 1,
            LoadError::Usage(_) => 2,
            LoadError::NoAnswer(_) => 3,
        }
    }
}

fn body(written: &str) -> Result<Template, TemplateError> {
    Template::parse(written.as_bytes())
}

fn field_name(written: &str) -> Result<Box<str>, String> {
    let is_name = is_token(written.as_bytes());
    is_name.then(|| written.into()).ok_or_else(|| "write the name of a field, such as X-Replica".to_owned())
}

impl FromStr for Output {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        match written {
            "" => Err("write the name of a file, or - for standard output".to_owned()),
            "-" => Ok(Output::Standard),
            path => Ok(Output::File(path.into())),
        }
    }
}

impl LoadOptions {
    /// What they say, checked and with the files that they name, for a server that accepts connections. The process may
    /// have so many `descriptors`.
    pub(super) fn prepare(&self, descriptors: u64) -> Result<Plan, LoadError> {
        self.check()?;
        let threads = self.threads(cores::available());
        self.check_descriptors(threads, descriptors)?;
        let requests = self.requests()?;
        let address = reach::resolve(&self.target, self.timeout).map_err(LoadError::NoAnswer)?;
        Ok(self.plan(address, threads, requests))
    }

    /// Refuses what makes no sense together, as far as the options alone show it.
    fn check(&self) -> Result<(), LoadError> {
        let connections = self.connections.get();
        if let Some(threads) = self.threads.filter(|threads| threads.get() as u64 > u64::from(connections)) {
            return usage(format!(
                "{threads} threads cannot share {connections} connections; write -t {connections} or -c {threads}"
            ));
        }
        if self.paths.is_some() && !self.target.path().is_root() {
            return usage("the paths come from --paths; write the URL without a path, or leave --paths out");
        }
        if self.json == Some(Output::Standard) && self.csv == Some(Output::Standard) {
            return usage("only one of --json and --csv can be standard output; write the other to a file");
        }
        Ok(())
    }

    fn check_descriptors(&self, threads: NonZeroUsize, descriptors: u64) -> Result<(), LoadError> {
        let others = DESCRIPTORS + DESCRIPTORS_PER_THREAD * threads.get() as u64;
        let connections = u64::from(self.connections.get());
        if connections + others <= descriptors {
            return Ok(());
        }
        usage(format!(
            "{connections} connections take {} descriptors with all that comes beside them, and this process may have \
             {descriptors}; raise its hard limit (ulimit -Hn), or write -c {} at most",
            connections + others,
            descriptors.saturating_sub(others)
        ))
    }

    fn check_body(&self, body: &Template) -> Result<(), LoadError> {
        let (connections, bytes) = (u64::from(self.connections.get()), body.text_bytes() as u64);
        if connections * bytes <= BODIES_BYTES_MAX {
            return Ok(());
        }
        usage(format!(
            "{connections} connections with a body of {bytes} bytes each take more than {} GiB; write -c {} at most, or a \
             shorter body",
            BODIES_BYTES_MAX >> 30,
            BODIES_BYTES_MAX / bytes
        ))
    }

    fn requests(&self) -> Result<Requests, LoadError> {
        let body = self.body()?;
        self.check_body(&body)?;
        let paths = self.paths.as_deref().map(read_paths).transpose()?;
        let has_paths = paths.is_some();
        let spec = RequestSpec {
            target: self.target.clone(),
            method: self.method(),
            fields: self.fields.clone(),
            body,
            keys: self.keys(),
            seed: self.seed,
            paths,
            writes: self.writes.map(|share| Writes {
                share,
                method: self.write_method(),
                path: self.write_path.clone(),
            }),
            keep_alive: !self.no_keep_alive,
        };
        let requests = Requests::new(spec).map_err(|error| LoadError::Usage(error.to_string()))?;
        match self.option_on_keys() {
            Some(option) if !has_paths && !requests.has_key() => usage(format!(
                "no {{key}} stands in the URL, the header, the body or --write-path, so {option} says nothing; write {{key}} \
                 where the key belongs, or leave {option} out"
            )),
            _ => Ok(requests),
        }
    }

    /// An option that is given and says something on keys.
    fn option_on_keys(&self) -> Option<&'static str> {
        [
            ("--keys", self.keys.is_some()),
            ("--first-key", self.first_key.is_some()),
            ("--distribution", self.distribution.is_some()),
        ]
        .into_iter()
        .find_map(|(option, is_given)| is_given.then_some(option))
    }

    /// The method where no file of paths says another.
    pub(super) fn method(&self) -> MethodToken {
        self.method.clone().unwrap_or_else(|| self.implied_method())
    }

    /// The methods of `requests` in words.
    pub(super) fn methods(&self, requests: &Requests) -> String {
        let mut words = self.method().to_string();
        if requests.has_listed_methods() {
            words += " or as listed";
        }
        if let Some(share) = self.writes {
            words += &format!(" and {} % {}", share.percent(), self.write_method());
        }
        words
    }

    fn write_method(&self) -> MethodToken {
        self.write_method.clone().unwrap_or_else(MethodToken::put)
    }

    fn implied_method(&self) -> MethodToken {
        let has_body = self.body.is_some() || self.body_file.is_some() || self.body_size.is_some();
        if has_body && self.writes.is_none() { MethodToken::post() } else { MethodToken::get() }
    }

    fn body(&self) -> Result<Template, LoadError> {
        if let Some(path) = &self.body_file {
            return Ok(Template::verbatim(read(path, BODY_BYTES_MAX)?));
        }
        let size = self.body_size.and_then(|size| usize::try_from(size).ok());
        let of_size = || Template::verbatim(vec![b'x'; size.unwrap_or(0)]);
        Ok(self.body.clone().unwrap_or_else(of_size))
    }

    fn keys(&self) -> Keys {
        let of_lines = self.paths.as_ref().map(|_| Distribution::Sequential);
        Keys {
            count: self.keys.unwrap_or(KEYS),
            first: self.first_key.unwrap_or(0),
            distribution: self.distribution.or(of_lines).unwrap_or_default(),
        }
    }

    fn threads(&self, cpus: NonZeroUsize) -> NonZeroUsize {
        let half = NonZeroUsize::new(cpus.get() / 2).unwrap_or(NonZeroUsize::MIN);
        let most = NonZeroUsize::try_from(self.connections).unwrap_or(NonZeroUsize::MAX);
        self.threads.unwrap_or(half).min(most)
    }

    fn plan(&self, address: SocketAddr, threads: NonZeroUsize, requests: Requests) -> Plan {
        Plan {
            address,
            requests,
            threads,
            connections: self.connections,
            pace: self.pace(),
            end: match self.requests {
                Some(requests) => End::Requests(requests.get()),
                None => End::After(self.duration.unwrap_or(DURATION)),
            },
            warm_up: self.warm_up,
            timeout: self.timeout,
            keep_alive: !self.no_keep_alive,
            seed: self.seed,
            replica_field: self.replica_field.clone(),
        }
    }

    fn pace(&self) -> Pace {
        let arrivals = match self.arrivals {
            None | Some(Arrivals::Even) => plan::Arrivals::Even,
            Some(Arrivals::Poisson) => plan::Arrivals::Poisson,
        };
        self.rate.map_or(Pace::Closed, |per_second| Pace::Open { per_second, arrivals })
    }
}

fn usage<T>(what: impl Into<String>) -> Result<T, LoadError> {
    Err(LoadError::Usage(what.into()))
}

fn read_paths(path: &Path) -> Result<Paths, LoadError> {
    let bytes = read(path, FILE_BYTES_MAX as u64)?;
    Paths::parse(&bytes).map_err(|error| LoadError::File(format!("{}: {error}", path.display())))
}

/// A whole file of at most `bytes_max`, which are a number of MiB.
fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, LoadError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
        .map_err(|error| LoadError::File(format!("cannot read {}: {error}", path.display())))?;
    if bytes.len() as u64 > bytes_max {
        let mebibytes = bytes_max / (1024 * 1024);
        return Err(LoadError::File(format!("{} is longer than {mebibytes} MiB", path.display())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
