//! What valid files mean; `tests/config_errors.rs` has the others.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use crate::base::algorithm::{ModuloRule, Probing, SlotHash, SlotsRule};
use crate::base::forwarding::{ForwardedFields, RequestIdPolicy, Via};
use crate::base::policy::BodyRate;
use crate::base::supervision::{OnExit, StopSignal};

use super::*;

/// A file in which every key is written.
const EVERY_KEY: &str = include_str!("tests/every_key.toml");

/// Files by path; no names.
struct Files(BTreeMap<PathBuf, &'static str>);

impl Surroundings for Files {
    fn resolve(&self, host_and_port: &str) -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other(format!("{host_and_port} is not known")))
    }

    fn read(&self, path: &Path, _: usize) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|text| text.as_bytes().to_vec()).ok_or(io::ErrorKind::NotFound.into())
    }
}

fn try_parse(text: &str) -> Result<Config, ConfigErrors> {
    let files = Files([(PathBuf::from("etc/token"), "s3cret\n")].into());
    Config::parse_within("etc/ringway.toml", text, &files)
}

fn parse(text: &str) -> Config {
    try_parse(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Whatever a file holds, it is read or every error of it stands on a line of its own, with a line that exists.
fn assert_read_or_explained(text: &str) {
    let Err(errors) = try_parse(text) else { return };
    assert!(errors.iter().count() > 0, "{text}");
    let lines = text.split('\n').count();
    assert!(
        errors.iter().all(|error| error.line.is_some_and(|line| (1..=lines).contains(&line))),
        "{errors}"
    );
    assert!(errors.to_string().lines().all(|line| line.starts_with("etc/ringway.toml:")), "{errors}");
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn an_empty_file_is_all_defaults() {
    let config = parse("");
    assert_eq!(config.engine, EngineChoice::Auto);
    assert_eq!(config.cores, None);
    assert_eq!(*config.listen.http, [address("127.0.0.1:8080")]);
    assert_eq!(config.admin.listen, address("127.0.0.1:8081"));
    assert!(!config.admin.on_ingress && !config.admin.allow_unauthenticated && config.admin.token.is_none());
    assert_eq!(config.client, ClientLimits::default());
    assert_eq!(config.forwarding, ForwardingPolicy::default());
    assert_eq!(config.drain, DrainPolicy::default());
    assert_eq!(config.log, LogConfig { level: LogLevel::Info, format: LogFormat::Text });
    assert_eq!(config.state.directory, Path::new("etc/ringway.state"));
    assert!(config.services.is_empty());
    assert_eq!(config.exposed_address(), None);
}

#[test]
fn a_service_needs_nothing_but_replicas() {
    let config = parse("[[service]]\nreplicas = { addresses = [\"127.0.0.1:9001\"] }\n");
    let expected = ServiceConfig {
        name: "default".into(),
        route: RouteMatch::default(),
        keys: Box::new([KeySource::Path]),
        fallback: Fallback::Random,
        algorithm: Algorithm::Rendezvous,
        bounded_load: None,
        heartbeat: None,
        replicas: ReplicasConfig::Static(Box::new([ReplicaConfig {
            name: "127.0.0.1:9001".into(),
            address: address("127.0.0.1:9001"),
            weight: 1,
        }])),
        timeouts: Timeouts::default(),
        pool: PoolLimits::default(),
        retries: RetryPolicy::default(),
    };
    assert_eq!(*config.services, [expected]);
}

#[test]
fn every_key_is_read() {
    let config = parse(EVERY_KEY);
    assert_eq!(config.engine, EngineChoice::Epoll);
    assert_eq!(config.cores.map(NonZeroUsize::get), Some(2));
    assert_eq!(*config.listen.http, [address("0.0.0.0:80"), address("[::]:80")]);
    assert_eq!(config.admin.listen, address("192.0.2.1:8081"));
    assert!(config.admin.on_ingress && config.admin.allow_unauthenticated);
    assert!(config.admin.token.as_ref().is_some_and(|token| token.matches(b"s3cret")));
    assert_eq!(config.exposed_address(), None, "the token keeps others out");
    assert_eq!(config.log, LogConfig { level: LogLevel::Debug, format: LogFormat::Text });
    let millis = Duration::from_millis;
    let client = ClientLimits {
        header: millis(1),
        keep_alive: millis(2),
        body: millis(3),
        body_rate: BodyRate { bytes_per_second_min: 5, window: millis(6) },
        write: millis(4),
        head_bytes_max: 8192,
        connections_max: NonZeroUsize::new(5),
        connections_per_address: NonZeroUsize::new(4),
    };
    assert_eq!(config.client, client);
    let forwarding = ForwardingPolicy {
        trusted: ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap()).into(),
        forwarded: ForwardedFields::Both,
        via: Via::Off,
        request_id: Some(RequestIdPolicy { field: "X-Correlation-Id".parse().unwrap(), on_answers: true }),
    };
    assert_eq!(config.forwarding, forwarding);
    assert_eq!(parse("proxy.request_id = \"\"").forwarding.request_id, None);
    assert_eq!(config.drain, DrainPolicy { lame_duck: millis(6), timeout: millis(7) });
    assert_eq!(config.state, StateConfig { directory: "etc/kept".into(), name: Some("edge".into()) });
}

#[test]
fn every_key_of_a_service_is_read() {
    let config = parse(EVERY_KEY);
    let millis = Duration::from_millis;
    let replica = |name: &str, written: &str, weight| ReplicaConfig {
        name: name.into(),
        address: address(written),
        weight,
    };
    let expected = ServiceConfig {
        name: "web".into(),
        route: RouteMatch { host: "*.example.com".parse().unwrap(), path: "/api".parse().unwrap() },
        keys: Box::new([KeySource::Header("x-request-id".into()), KeySource::Random]),
        fallback: Fallback::Reject,
        algorithm: Algorithm::Maglev,
        bounded_load: Some(BoundedLoad { factor_thousandths: 1_250 }),
        heartbeat: Some(HeartbeatPolicy {
            path: "/alive?deep=1".into(),
            interval: millis(22),
            timeout: millis(23),
            failures: 24,
        }),
        replicas: ReplicasConfig::Static(Box::new([
            replica("127.0.0.1:9001", "127.0.0.1:9001", 1),
            replica("b", "127.0.0.1:9002", 2),
            replica("[::1]:9003", "[::1]:9003", 1),
        ])),
        timeouts: Timeouts {
            connect: millis(11),
            first_byte: millis(12),
            between_bytes: millis(13),
            queue: millis(14),
            tunnel: millis(15),
        },
        pool: PoolLimits {
            connections_max: NonZeroUsize::new(16).unwrap(),
            queue_max: 17,
            idle_max: 15,
            idle: millis(18),
        },
        retries: RetryPolicy { retries_max: 1, body_bytes_max: 19, budget_percent: 20, budget_burst: 21 },
    };
    assert_eq!(config.services.len(), 4);
    assert_eq!(config.services[0], expected);
    assert_eq!(*config.services[1].keys, [KeySource::Segment(1)]);
    assert_eq!(*config.services[2].keys, [KeySource::Json("request_id".into()), KeySource::Path]);
}

#[test]
fn every_key_of_a_placement_is_read() {
    let config = parse(EVERY_KEY);
    let slots = SlotsRule { slots: 1_024, hash: SlotHash::Cryptographic, probing: Probing::Quadratic };
    assert_eq!(config.services[1].algorithm, Algorithm::Slots(slots));
    assert_eq!(config.services[1].bounded_load, None);
    assert_eq!(config.services[2].algorithm, Algorithm::Modulo(ModuloRule { factor: 2 }));
    assert_eq!(config.services[2].bounded_load, Some(BoundedLoad { factor_thousandths: 2_000 }));
}

#[test]
fn an_algorithm_needs_no_keys_beside_it() {
    let cases = [
        ("rendezvous", Algorithm::Rendezvous),
        ("maglev", Algorithm::Maglev),
        ("ketama", Algorithm::Ketama),
        ("slots", Algorithm::Slots(SlotsRule::default())),
        ("modulo", Algorithm::Modulo(ModuloRule::default())),
    ];
    for (word, expected) in cases {
        let text = format!(
            "[[service]]\nreplicas.addresses = [\"127.0.0.1:9001\"]\nplacement.algorithm = \"{word}\"\n"
        );
        assert_eq!(parse(&text).services[0].algorithm, expected, "{word}");
        assert_eq!(expected.name(), word);
    }
}

/// The one service of a file whose replicas are child processes, with these keys beside the provider.
fn process(keys: &str) -> (ServiceConfig, ProcessConfig) {
    let text = format!("[[service]]\n[service.replicas]\nprovider = \"process\"\n{keys}");
    let service = parse(&text).services[0].clone();
    let ReplicasConfig::Process(process) = service.replicas.clone() else { panic!("no processes: {text}") };
    (service, process)
}

#[test]
fn every_key_of_a_process_is_read() {
    let config = parse(EVERY_KEY);
    let ReplicasConfig::Process(process) = &config.services[2].replicas else { panic!("no processes") };
    let millis = Duration::from_millis;
    let template = |written: &str| written.parse::<CommandTemplate>().unwrap();
    let expected = ProcessConfig {
        count: 25,
        command: ["{ringway}", "worker", "--listen", "127.0.0.1:{port}", ""].map(template).into(),
        environment: [("BRACES", "{{}}"), ("EMPTY", ""), ("NAME", "{name}")]
            .map(|(name, value)| (name.into(), template(value)))
            .into(),
        directory: Some("etc/work".into()),
        user: Some("nobody".into()),
        ports: Some(20_000..=20_024),
        supervision: Supervision {
            startup: millis(26),
            stable: millis(27),
            backoff_min: millis(28),
            backoff_max: millis(29),
            crash_loop: 30,
            drain: millis(31),
            stop_timeout: millis(32),
            stop_signal: StopSignal::Term,
            on_exit: OnExit::Keep,
        },
    };
    assert_eq!(*process, expected);
    assert_eq!(config.services[2].replicas.count(), 25);
}

#[test]
fn a_process_needs_nothing_but_a_command_and_is_watched() {
    let (service, process) = process("command = [\"./server\"]");
    let expected = ProcessConfig {
        count: 1,
        command: Box::new(["./server".parse().unwrap()]),
        environment: Box::default(),
        directory: None,
        user: None,
        ports: None,
        supervision: Supervision::default(),
    };
    assert_eq!(process, expected);
    assert_eq!(service.heartbeat, Some(HeartbeatPolicy::default()));
    assert_eq!(service.replicas.count(), 1);
}

#[test]
fn every_key_of_a_container_is_read() {
    let config = parse(EVERY_KEY);
    let ReplicasConfig::Docker(docker) = &config.services[3].replicas else { panic!("no containers") };
    let template = |written: &str| written.parse::<CommandTemplate>().unwrap();
    let expected = DockerConfig {
        count: 33,
        image: "registry.example/worker:1".into(),
        port: 5_000,
        command: ["./server", "--port", "{port}"].map(template).into(),
        environment: [("NAME".into(), template("{name}"))].into(),
        network: Some("backend".into()),
        labels: [("com.example.tier".into(), "2".into()), ("team".into(), "web".into())].into(),
        memory: Some(512 << 20),
        cpu_thousandths: Some(1_500),
        user: Some("1000:1000".into()),
        read_only: true,
        volumes: ["data-{name}:/data", "/srv:/srv:ro"].map(template).into(),
        pull: PullPolicy::Always,
        reach: Some(Reach::Name),
        engine: Some(EngineAddress::Tcp { host: "10.0.0.7".into(), port: 2_376 }),
        supervision: Supervision {
            startup: Duration::from_millis(34),
            on_exit: OnExit::Keep,
            ..Supervision::default()
        },
    };
    assert_eq!(*docker, expected);
    assert_eq!(config.services[3].replicas.count(), 33);
}

#[test]
fn a_container_needs_nothing_but_an_image_and_a_port_and_is_watched() {
    let text = "[[service]]\nreplicas = { provider = \"docker\", image = \"worker\", port = 80 }";
    let service = parse(text).services[0].clone();
    let expected = DockerConfig {
        count: 1,
        image: "worker".into(),
        port: 80,
        command: Box::default(),
        environment: Box::default(),
        network: None,
        labels: Box::default(),
        memory: None,
        cpu_thousandths: None,
        user: None,
        read_only: false,
        volumes: Box::default(),
        pull: PullPolicy::Missing,
        reach: None,
        engine: None,
        supervision: Supervision::default(),
    };
    assert_eq!(service.replicas, ReplicasConfig::Docker(expected));
    assert_eq!(service.heartbeat, Some(HeartbeatPolicy::default()));
}

#[test]
fn keys_of_a_process_have_more_than_one_spelling() {
    let command = "command = [\"./server\"]\n";
    let with = |keys: &str| process(&format!("{command}{keys}")).1;
    for (written, expected) in [("\"65534\"", "65534"), ("65534", "65534"), ("0", "0"), ("\"www\"", "www")] {
        assert_eq!(with(&format!("user = {written}")).user.as_deref(), Some(expected), "{written}");
    }
    let signals = [
        ("INT", StopSignal::Int),
        ("TERM", StopSignal::Term),
        ("QUIT", StopSignal::Quit),
        ("HUP", StopSignal::Hup),
        ("USR1", StopSignal::Usr1),
        ("USR2", StopSignal::Usr2),
    ];
    for (word, expected) in signals {
        for prefix in ["", "SIG"] {
            let keys = format!("stop_signal = \"{prefix}{word}\"");
            assert_eq!(with(&keys).supervision.stop_signal, expected, "{keys}");
        }
    }
    assert_eq!(with("count = 0\nports = \"1024-1025\"").count, 0, "replicas are added by calls");
    assert_eq!(with("directory = \"/srv\"").directory.as_deref(), Some(Path::new("/srv")));
}

#[test]
fn a_shorter_longest_pause_shortens_the_first() {
    let (_, process) = process("command = [\"./server\"]\nbackoff_max_ms = 50");
    assert_eq!(process.supervision.backoff_min, Duration::from_millis(50));
}

#[test]
fn a_heartbeat_of_static_replicas_is_written_as_a_table_even_if_empty() {
    let service = "[[service]]\nreplicas.addresses = [\"127.0.0.1:9001\"]\n";
    assert_eq!(parse(service).services[0].heartbeat, None);
    let written = parse(&format!("{service}heartbeat = {{}}"));
    assert_eq!(written.services[0].heartbeat, Some(HeartbeatPolicy::default()));
}

#[test]
fn the_state_of_what_is_no_file_is_kept_in_the_current_folder() {
    let directory = |text| Config::parse("(embedded default)", text).unwrap().state.directory;
    assert_eq!(directory(""), Path::new("ringway.state"));
    assert_eq!(directory("state.directory = \"kept\""), Path::new("kept"));
}

#[test]
fn a_smaller_pool_keeps_no_more_idle_connections_than_it_has() {
    let config = parse("[[service]]\nreplicas.addresses = [\"127.0.0.1:9001\"]\npool.connections_max = 3\n");
    assert_eq!(config.services[0].pool.idle_max, 3);
}

#[test]
fn names_are_resolved_by_the_system() {
    let text = "[[service]]\nreplicas.addresses = [\"localhost:9001\"]\n";
    let config = Config::parse("ringway.toml", text).unwrap();
    let ReplicasConfig::Static(replicas) = &config.services[0].replicas else { panic!("static") };
    let replica = &replicas[0];
    assert_eq!(&*replica.name, "localhost:9001");
    assert!(replica.address.ip().is_loopback());
}

#[test]
fn open_control_calls_need_the_operators_word_and_are_told() {
    let cases = [
        ("[admin]\nlisten = \"0.0.0.0:1\"\nallow_unauthenticated = true", Some("0.0.0.0:1")),
        (
            "listen.http = [\"127.0.0.1:1\", \"192.0.2.1:1\"]\n[admin]\non_ingress = true\nallow_unauthenticated = true",
            Some("192.0.2.1:1"),
        ),
        ("listen.http = \"192.0.2.1:1\"", None),
        ("[admin]\non_ingress = true", None),
        ("[admin]\nlisten = \"0.0.0.0:1\"\ntoken_file = \"token\"", None),
        ("[admin]\ntoken_file = \"\"", None),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).exposed_address(), expected.map(address), "{text}");
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_mistakes() {
    assert_eq!(parse("\u{feff}cores = 3\r\nengine = \"epoll\"\r\n").cores.map(NonZeroUsize::get), Some(3));
}

#[test]
fn free_ports_may_be_asked_for_more_than_once() {
    let config = parse("listen.http = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\nadmin.listen = \"127.0.0.1:0\"");
    assert_eq!(config.listen.http.len(), 2);
}

#[test]
fn a_file_cut_at_any_byte_is_read_or_explained() {
    let whole = EVERY_KEY;
    for end in 0..whole.len() {
        assert_read_or_explained(&whole[..end]);
    }
}

proptest! {
    #[test]
    fn a_file_with_anything_in_it_is_read_or_explained(
        from in 0..EVERY_KEY.len(), length in 0_usize..20, inserted in "[\\x00-\\x7fé]{0,12}"
    ) {
        let mut text = EVERY_KEY.to_owned();
        let to = (from + length).min(text.len());
        text.replace_range(from..to, &inserted);
        assert_read_or_explained(&text);
    }
}
