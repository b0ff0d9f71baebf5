//! The file as written -> [`Config`], already valid.
//!
//! One TOML file; every key has a default, and a key that does not exist is an error. Reading finds every mistake at
//! once and names its line and key. Names are resolved and the token is read here, once: what follows gets addresses
//! and values only.

mod address;
mod admin;
mod docker;
mod error;
mod file;
mod forwarding;
mod heartbeat;
mod limits;
mod owned;
mod placement;
mod process;
mod reader;
mod replicas;
mod section;
mod service;
mod state;
mod suggestion;
mod surroundings;
mod syntax;
mod thousandths;
mod value;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::base::algorithm::{Algorithm, BoundedLoad};
use crate::base::command_template::CommandTemplate;
use crate::base::engine_address::EngineAddress;
use crate::base::forwarding::ForwardingPolicy;
use crate::base::key_source::{Fallback, KeySource};
use crate::base::policy::{ClientLimits, DrainPolicy, PoolLimits, RetryPolicy, Timeouts};
use crate::base::route_match::RouteMatch;
use crate::base::supervision::{HeartbeatPolicy, Supervision};

pub use admin::AdminToken;
pub use error::{ConfigError, ConfigErrors, Fault};
pub use surroundings::{Surroundings, System};

/// The largest configuration file, in bytes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// The most cores.
pub const CORES_MAX: usize = 1_024;
/// The most addresses that `listen.http` may name.
pub const LISTENERS_MAX: usize = 64;
/// The most networks that `client.trusted` may list.
pub const TRUSTED_MAX: usize = 256;
/// The most services.
pub const SERVICES_MAX: usize = 1_024;
/// The most replicas of one service.
pub const REPLICAS_MAX: usize = 1_024;
/// The most sources that one service's `key` may list.
pub const KEY_SOURCES_MAX: usize = 16;
/// How many slots a ring may have; powers of two only.
pub const SLOTS: RangeInclusive<u32> = 64..=65_536;
/// The most replicas that may share a shard of a modulo map.
pub const MODULO_FACTOR_MAX: u32 = 8;
/// The factors of bounded loads, in thousandths: nearer to 1 almost every key spills, beyond 10 nothing is bounded.
pub const BOUNDED_LOAD_THOUSANDTHS: RangeInclusive<u32> = 1_010..=10_000;
/// The most words of a command.
pub const COMMAND_WORDS_MAX: usize = 256;
/// The most volumes of a container.
pub const VOLUMES_MAX: usize = 64;
/// The most labels that may be added to a container's.
pub const LABELS_MAX: usize = 64;
/// The least memory that engines grant to a container.
pub const MEMORY_BYTES_MIN: u64 = 6 * 1024 * 1024;
/// The most variables that may be added to a replica's environment.
pub const ENVIRONMENT_MAX: usize = 256;
/// The lowest port that replicas may be given; those below are the system's.
pub const PORT_MIN: u16 = 1_024;
/// The largest weight of a replica; the slot table resolves no finer shares.
pub const WEIGHT_MAX: u32 = 1_000;

/// A whole configuration; whatever a file can get wrong has been checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `engine`.
    pub engine: EngineChoice,
    /// `cores`; `None`: one for each CPU of the affinity mask.
    pub cores: Option<NonZeroUsize>,
    /// `listen`.
    pub listen: ListenConfig,
    /// `[admin]`.
    pub admin: AdminConfig,
    /// `[client]`.
    pub client: ClientLimits,
    /// `client.trusted` and `[proxy]`.
    pub forwarding: ForwardingPolicy,
    /// `[drain]`.
    pub drain: DrainPolicy,
    /// `[log]`.
    pub log: LogConfig,
    /// `[state]`.
    pub state: StateConfig,
    /// `[[service]]`, in the order of the file; names and match rules differ. May be empty: then all is 404.
    pub services: Box<[ServiceConfig]>,
}

/// Which engine the cores run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// io_uring where a probe finds it working and it is ahead, else epoll.
    #[default]
    Auto,
    /// io_uring, or the start fails.
    IoUring,
    /// epoll.
    Epoll,
}

/// Where clients are listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// `listen.http`: one address at least, all different but for those with port 0 (any free port).
    pub http: Box<[SocketAddr]>,
}

/// Where the operator is listened to.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// `admin.listen`.
    pub listen: SocketAddr,
    /// `admin.on_ingress`: whether `/rep`, `/add` and `/rm` also answer on `listen.http`.
    pub on_ingress: bool,
    /// What `admin.token_file` holds; `None`: calls need no token.
    pub token: Option<AdminToken>,
    /// `admin.allow_unauthenticated`: the operator accepts that others can call, see
    /// [`exposed_address`](Config::exposed_address).
    pub allow_unauthenticated: bool,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// `log.level`.
    pub level: LogLevel,
    /// `log.format`.
    pub format: LogFormat,
}

/// The least severe level that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the field's")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text.
    #[default]
    Text,
}

/// Where Ringway keeps what has to survive it: which replicas there shall be, and their logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// `state.directory`, relative to the file's folder; by default the file's name with `.state` for `.toml`. It is made
    /// when a service has replicas of Ringway's own.
    pub directory: PathBuf,
    /// `state.name`: what tells this Ringway's containers from those of another one on the same engine; `None`: a name
    /// that is made up once and kept in the directory.
    pub name: Option<Box<str>>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// `name`: unique; "default" if the file gives none.
    pub name: Box<str>,
    /// `match`: unique.
    pub route: RouteMatch,
    /// `key`: one source at least.
    pub keys: Box<[KeySource]>,
    /// `fallback`.
    pub fallback: Fallback,
    /// `placement`.
    pub algorithm: Algorithm,
    /// `placement.bounded_load`.
    pub bounded_load: Option<BoundedLoad>,
    /// `replicas`.
    pub replicas: ReplicasConfig,
    /// `heartbeat`: for static replicas none unless written, for Ringway's own the default.
    pub heartbeat: Option<HeartbeatPolicy>,
    /// `timeouts`.
    pub timeouts: Timeouts,
    /// `pool`.
    pub pool: PoolLimits,
    /// `retries`.
    pub retries: RetryPolicy,
}

/// Who serves a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicasConfig {
    /// `provider = "static"`: servers that somebody else starts; one at least, names differ.
    Static(Box<[ReplicaConfig]>),
    /// `provider = "process"`: child processes of Ringway.
    Process(ProcessConfig),
    /// `provider = "docker"`: containers.
    Docker(DockerConfig),
}

impl ReplicasConfig {
    /// How many replicas there are to begin with.
    pub fn count(&self) -> usize {
        match self {
            ReplicasConfig::Static(replicas) => replicas.len(),
            ReplicasConfig::Process(process) => process.count,
            ReplicasConfig::Docker(docker) => docker.count,
        }
    }

    /// Whether Ringway starts and stops them.
    pub fn is_owned(&self) -> bool {
        !matches!(self, ReplicasConfig::Static(_))
    }
}

/// Replicas that are child processes. The default is what is left of a service that the file does not have any more: nothing
/// is started by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessConfig {
    /// `replicas.count`: how many there are to begin with.
    pub count: usize,
    /// `replicas.command`: the program, which is not empty, and its arguments. `{port}`, `{name}` and `{ringway}` (this program) stand for
    /// what they say, here and in the environment.
    pub command: Box<[CommandTemplate]>,
    /// `replicas.env`: added to Ringway's own environment; names and values as the system takes them, none of the names
    /// beginning with `RINGWAY_`.
    pub environment: Box<[(Box<str>, CommandTemplate)]>,
    /// `replicas.directory`, relative to the file's folder; by default Ringway's own.
    pub directory: Option<PathBuf>,
    /// `replicas.user`: whom to become, a name or a number, if not Ringway's own user.
    pub user: Option<Box<str>>,
    /// `replicas.ports`: where their ports come from; `None`: from 20,000 up, outside the system's ephemeral range.
    /// One for each of `count` at least.
    pub ports: Option<RangeInclusive<u16>>,
    /// How they are started again and stopped.
    pub supervision: Supervision,
}

/// Replicas that are containers. The default is what is left of a service that the file does not have any more: nothing is
/// started by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerConfig {
    /// `replicas.count`: how many there are to begin with.
    pub count: usize,
    /// `replicas.image`: a reference as the engine takes it.
    pub image: Box<str>,
    /// `replicas.port`: where the server in the container listens.
    pub port: u16,
    /// `replicas.command`; empty: the image's own. `{port}` and `{name}` stand for what they say, here and in the
    /// environment.
    pub command: Box<[CommandTemplate]>,
    /// `replicas.env`: added to the image's own; none of the names begins with `RINGWAY_`.
    pub environment: Box<[(Box<str>, CommandTemplate)]>,
    /// `replicas.network`: the network that they are on; `None`: one of Ringway's own.
    pub network: Option<Box<str>>,
    /// `replicas.labels`: beside Ringway's own; none of the names begins with `ringway.`.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// `replicas.memory`: bytes at most.
    pub memory: Option<u64>,
    /// `replicas.cpus`: thousandths of a CPU at most.
    pub cpu_thousandths: Option<u32>,
    /// `replicas.user`: whom to run it as, with an optional group behind a colon; `None`: the image's own.
    pub user: Option<Box<str>>,
    /// `replicas.read_only`: whether its root file system is.
    pub read_only: bool,
    /// `replicas.volumes`: `SOURCE:TARGET[:ro]`; `{name}` stands for what it says.
    pub volumes: Box<[CommandTemplate]>,
    /// `replicas.pull`.
    pub pull: PullPolicy,
    /// `replicas.reach`; `None`: by name if Ringway itself runs in a container of the same engine, else by address.
    pub reach: Option<Reach>,
    /// `replicas.engine`; `None`: what `DOCKER_HOST` says, else the default socket.
    pub engine: Option<EngineAddress>,
    /// How they are started again and stopped.
    pub supervision: Supervision,
}

/// When a container's image is fetched from its registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Not at all: it has to be there.
    Never,
    /// If it is not there.
    #[default]
    Missing,
    /// Before each start.
    Always,
}

/// How a container is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At its address on the network.
    Address,
    /// At the address that the network's own name service has for it.
    Name,
}

/// One replica that somebody else starts and stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaConfig {
    /// The stable name that places it: by default the address as written.
    pub name: Box<str>,
    /// Where it listens; resolved once, when the file was read. The port is not 0.
    pub address: SocketAddr,
    /// 1 to [`WEIGHT_MAX`].
    pub weight: u32,
}

impl Config {
    /// Reads a file of at most [`FILE_BYTES_MAX`] bytes, see [`parse`](Config::parse).
    pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
        let name = path.display().to_string();
        let of_file = |fault| ConfigErrors::of_file(&name, fault);
        let bytes = System.read(path, FILE_BYTES_MAX).map_err(|reason| of_file(Fault::Unreadable(reason)))?;
        file::text(&bytes)
            .map_err(|error| ConfigErrors::new(&name, vec![error]))
            .and_then(|text| parse_file(&name, Some(path), text, &System))
    }

    /// Reads a configuration's text; `file_name` stands in the errors, and paths in the file are relative to its
    /// folder; a name in parentheses, such as "(embedded default)", is that of no file, and its paths are relative to the
    /// current folder. Host names are resolved and the token file is read, so it may block; call it before a core runs.
    pub fn parse(file_name: &str, text: &str) -> Result<Config, ConfigErrors> {
        Config::parse_within(file_name, text, &System)
    }

    /// [`parse`](Config::parse) with other names and files than the system's.
    pub fn parse_within(
        file_name: &str,
        text: &str,
        surroundings: &dyn Surroundings,
    ) -> Result<Config, ConfigErrors> {
        let is_no_file = file_name.starts_with('(') && file_name.ends_with(')');
        let file = (!is_no_file).then(|| Path::new(file_name));
        parse_file(file_name, file, text, surroundings)
    }

    /// An address through which others than this machine can make control calls without a token, because
    /// `admin.allow_unauthenticated` says so: the log warns of it.
    pub fn exposed_address(&self) -> Option<SocketAddr> {
        self.admin.exposed_address(&self.listen.http)
    }
}

/// `name` is the file as errors show it, which is not always how the system knows it.
fn parse_file(
    name: &str,
    file: Option<&Path>,
    text: &str,
    surroundings: &dyn Surroundings,
) -> Result<Config, ConfigErrors> {
    file::parse(file, text, surroundings).map_err(|errors| ConfigErrors::new(name, errors))
}

#[cfg(test)]
mod tests;
