//! What valid files mean; `tests/config_errors.rs` has the others.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

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
    assert_eq!(config.drain, DrainPolicy::default());
    assert_eq!(config.log, LogConfig { level: LogLevel::Info, format: LogFormat::Text });
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
    let config = parse(include_str!("tests/every_key.toml"));
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
        write: millis(4),
        head_bytes_max: 8192,
        connections_max: NonZeroUsize::new(5),
    };
    assert_eq!(config.client, client);
    assert_eq!(config.drain, DrainPolicy { lame_duck: millis(6), timeout: millis(7) });
}

#[test]
fn every_key_of_a_service_is_read() {
    let config = parse(include_str!("tests/every_key.toml"));
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
        algorithm: Algorithm::Rendezvous,
        bounded_load: None,
        heartbeat: None,
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
    assert_eq!(config.services.len(), 2);
    assert_eq!(config.services[0], expected);
    assert_eq!(*config.services[1].keys, [KeySource::Segment(1)]);
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
    let whole = include_str!("tests/every_key.toml");
    for end in 0..whole.len() {
        assert_read_or_explained(&whole[..end]);
    }
}

proptest! {
    #[test]
    fn a_file_with_anything_in_it_is_read_or_explained(
        from in 0_usize..1_200, length in 0_usize..20, inserted in "[\\x00-\\x7fé]{0,12}"
    ) {
        let mut text = include_str!("tests/every_key.toml").to_owned();
        let from = from.min(text.len());
        let to = (from + length).min(text.len());
        text.replace_range(from..to, &inserted);
        assert_read_or_explained(&text);
    }
}
