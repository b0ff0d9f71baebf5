//! Every mistake in a configuration names its line and key and says what to do.

#[path = "config_errors/docker.rs"]
mod docker;
#[path = "config_errors/forwarding.rs"]
mod forwarding;
#[path = "config_errors/placement.rs"]
mod placement;
#[path = "config_errors/process.rs"]
mod process;

use std::path::Path;

use ringway::config::{Config, ConfigErrors, FILE_BYTES_MAX};

/// Line, key and a part of what is said.
type Expected<'a> = (usize, &'a str, &'a str);

fn errors_of(text: &str) -> ConfigErrors {
    Config::parse("ringway.toml", text).err().unwrap_or_else(|| panic!("no error in: {text}"))
}

/// The file has exactly these errors, in this order.
fn assert_errors(text: &str, expected: &[Expected<'_>]) {
    let errors = errors_of(text);
    let places: Vec<_> =
        errors.iter().map(|error| (error.line.expect("a line"), error.key.as_str())).collect();
    let expected_places: Vec<_> = expected.iter().map(|(line, key, _)| (*line, *key)).collect();
    assert_eq!(places, expected_places, "{text}\n{errors}");
    for (error, (_, _, part)) in errors.iter().zip(expected) {
        let said = error.fault.to_string();
        assert!(said.contains(part), "{text}\n{said}");
    }
}

/// The same for a service of which the keys are given, from line 3 on.
fn assert_service_error(keys: &str, expected: Expected<'_>) {
    let text = format!("[[service]]\nreplicas = {{ addresses = [\"127.0.0.1:9001\"] }}\n{keys}");
    assert_errors(&text, &[expected]);
}

#[test]
fn what_is_no_toml() {
    let cases: &[(&str, Expected<'_>)] = &[
        ("cores = = 2", (1, "cores", "write it as TOML has it")),
        ("[listen]\nhttp = 127.0.0.1:80", (2, "listen.http", "write it as TOML has it")),
        ("[listen\nhttp = \"127.0.0.1:80\"", (1, "listen", "unclosed")),
        ("cores = 1\ncores = 2", (2, "cores", "duplicate key")),
        ("[listen]\n[admin]\n[listen]", (3, "listen", "duplicate key")),
        ("engine = \"auto", (1, "engine", "write it as TOML has it")),
    ];
    for (text, expected) in cases {
        assert_errors(text, &[*expected]);
    }
}

#[test]
fn keys_that_do_not_exist() {
    let cases: &[(&str, Expected<'_>)] = &[
        ("core = 2", (1, "core", "did you mean 'cores'?")),
        ("[[services]]\nname = \"web\"", (1, "services", "did you mean 'service'?")),
        ("\n[listen]\nhttps = \"127.0.0.1:443\"", (3, "listen.https", "did you mean 'http'?")),
        ("[admin]\nport = 1", (2, "admin.port", "known here: listen, token_file, on_ingress")),
        ("client.header_timeout = 1", (1, "client.header_timeout", "known here: header_ms")),
        ("[drain]\ntimeout = 1", (2, "drain.timeout", "known here: lame_duck_ms, timeout_ms")),
        ("[log]\n\"a.b\" = 1", (2, "log.a.b", "known here: level, format")),
    ];
    for (text, expected) in cases {
        assert_errors(text, &[*expected]);
    }
    assert_service_error("host = \"*\"", (3, "service[0].host", "unknown key"));
    assert_service_error("match = { hosts = \"*\" }", (3, "service[0].match.hosts", "did you mean 'host'?"));
    assert_service_error(
        "timeouts.connect = 1",
        (3, "service[0].timeouts.connect", "known here: connect_ms"),
    );
}

#[test]
fn values_of_another_type() {
    let cases: &[(&str, Expected<'_>)] = &[
        ("cores = \"2\"", (1, "cores", "must be a whole number, not a string")),
        ("cores = 2.5", (1, "cores", "must be a whole number, not a fraction")),
        ("engine = 1", (1, "engine", "must be a string, not a whole number; write it as in \"auto\"")),
        (
            "listen = \"127.0.0.1:80\"",
            (1, "listen", "must be a table, not a string; write it as in [listen] http"),
        ),
        ("[listen]\nhttp = 80", (2, "listen.http", "must be a string, not a whole number")),
        ("[listen]\nhttp = [\n  \"127.0.0.1:1\",\n  80,\n]", (4, "listen.http[1]", "must be a string")),
        ("[admin]\non_ingress = \"yes\"", (2, "admin.on_ingress", "must be true or false, not a string")),
        ("[admin]\ntoken_file = false", (2, "admin.token_file", "must be a string, not true or false")),
        (
            "[service]\nname = \"web\"",
            (1, "service", "must be a list, not a table; write it as in [[service]]"),
        ),
        ("service = [1]", (1, "service[0]", "must be a table, not a whole number")),
    ];
    for (text, expected) in cases {
        let errors = errors_of(text);
        let first = errors.iter().next().expect("an error");
        assert_eq!((first.line, first.key.as_str()), (Some(expected.0), expected.1), "{text}\n{errors}");
        assert!(first.fault.to_string().contains(expected.2), "{text}\n{errors}");
    }
    assert_service_error("key = 1", (3, "service[0].key", "must be a string"));
    assert_service_error("match = \"example.com\"", (3, "service[0].match", "must be a table"));
    assert_service_error("timeouts = 5", (3, "service[0].timeouts", "must be a table"));
    assert_service_error("placement = \"maglev\"", (3, "service[0].placement", "write it as in { algorithm"));
}

#[test]
fn numbers_out_of_their_range() {
    let cases: &[(&str, Expected<'_>)] = &[
        ("cores = 0", (1, "cores", "must be at least 1; write how many threads serve")),
        ("cores = -1", (1, "cores", "must be at least 1")),
        ("cores = 100_000", (1, "cores", "must be at most 1024")),
        ("cores = 99999999999999999999999999999999999999999999", (1, "cores", "must be at most 1024")),
        ("cores = -99999999999999999999999999999999999999999999", (1, "cores", "must be at least 1")),
        (
            "client.header_ms = 0",
            (1, "client.header_ms", "must be at least 1; write the time in milliseconds"),
        ),
        ("client.keep_alive_ms = 86400001", (1, "client.keep_alive_ms", "must be at most 86400000")),
        (
            "client.body_rate_min = -1",
            (
                1,
                "client.body_rate_min",
                "must be at least 0; write how many bytes per second a request body has",
            ),
        ),
        ("client.body_rate_window_ms = 0", (1, "client.body_rate_window_ms", "must be at least 1")),
        ("client.head_bytes_max = 100", (1, "client.head_bytes_max", "must be at least 1024")),
        ("client.connections_max = 0", (1, "client.connections_max", "must be at least 1")),
        (
            "client.connections_per_address = 0",
            (1, "client.connections_per_address", "leave it out for no limit"),
        ),
        ("drain.lame_duck_ms = -1", (1, "drain.lame_duck_ms", "must be at least 0")),
        ("drain.timeout_ms = 0", (1, "drain.timeout_ms", "must be at least 1")),
    ];
    for (text, expected) in cases {
        assert_errors(text, &[*expected]);
    }
    let cases: &[(&str, Expected<'_>)] = &[
        (
            "timeouts.connect_ms = 0",
            (3, "service[0].timeouts.connect_ms", "at least 1; write the time in milli"),
        ),
        ("timeouts.first_byte_ms = 0", (3, "service[0].timeouts.first_byte_ms", "at least 1")),
        (
            "pool.idle_ms = 5000",
            (3, "service[0].pool.idle_ms", "at most 4999; write milliseconds below 5000"),
        ),
        ("pool.connections_max = 0", (3, "service[0].pool.connections_max", "at least 1")),
        ("pool = { connections_max = 4, idle_max = 5 }", (3, "service[0].pool.idle_max", "at most 4")),
        ("retries.retries_max = 3", (3, "service[0].retries.retries_max", "at most 2")),
        ("retries.body_bytes_max = 65537", (3, "service[0].retries.body_bytes_max", "at most 65536")),
        ("retries.budget_percent = 101", (3, "service[0].retries.budget_percent", "at most 100")),
    ];
    for (keys, expected) in cases {
        assert_service_error(keys, *expected);
    }
}

#[test]
fn words_that_are_not_known() {
    let cases: &[(&str, Expected<'_>)] = &[
        ("engine = \"kqueue\"", (1, "engine", "write \"auto\" or \"io_uring\" or \"epoll\"")),
        ("log.level = \"loud\"", (1, "log.level", "write \"error\" or \"warn\"")),
        ("log.format = \"xml\"", (1, "log.format", "write \"text\"")),
    ];
    for (text, expected) in cases {
        assert_errors(text, &[*expected]);
    }
    assert_service_error("fallback = \"drop\"", (3, "service[0].fallback", "write \"random\" or \"reject\""));
    assert_service_error(
        "placement.algorithm = \"best\"",
        (3, "service[0].placement.algorithm", "\"rendezvous\""),
    );
    assert_service_error("key = \"cookies:a\"", (3, "service[0].key", "is no key; write path, uri, host"));
    assert_service_error("key = \"json:\"", (3, "service[0].key", "write it as json:FIELD"));
    assert_service_error("key = 'json:a\"b'", (3, "service[0].key", "quotes or backslashes"));
    assert_service_error("key = \"segment:0\"", (3, "service[0].key", "from 1 to 64"));
    assert_service_error("key = [\"header:a b\"]", (3, "service[0].key[0]", "write it as header:NAME"));
    assert_service_error("key = [\"random\",\n\"path\"]", (4, "service[0].key[1]", "put 'random' last"));
    assert_service_error("key = []", (3, "service[0].key", "write one entry at least"));
}

#[test]
fn what_a_later_version_has() {
    let cases: &[(&str, Expected<'_>)] = &[
        (
            "\nreplication = { factor = 2 }",
            (4, "service[0].replication", "does not have replicated services yet"),
        ),
        ("[service.cache]\nbytes = 1", (3, "service[0].cache", "does not have a cache yet; remove this key")),
    ];
    for (keys, expected) in cases {
        assert_service_error(keys, *expected);
    }
    assert_errors("log.format = \"json\"", &[(1, "log.format", "this version does not have 'json' yet")]);
}

#[test]
fn heartbeats_that_cannot_be() {
    let long = format!("heartbeat.path = \"/{}\"", "x".repeat(1_024));
    let cases: &[(&str, Expected<'_>)] = &[
        ("heartbeat = true", (3, "service[0].heartbeat", "must be a table, not true or false")),
        ("heartbeat.path = \"alive\"", (3, "service[0].heartbeat.path", "the first a '/'")),
        ("heartbeat.path = \"\"", (3, "service[0].heartbeat.path", "is no path")),
        ("heartbeat.path = \"/a b\"", (3, "service[0].heartbeat.path", "visible ASCII")),
        ("heartbeat.path = \"/é\"", (3, "service[0].heartbeat.path", "visible ASCII")),
        (&long, (3, "service[0].heartbeat.path", "write 1 to 1024")),
        ("heartbeat.interval_ms = 9", (3, "service[0].heartbeat.interval_ms", "at least 10; write the time")),
        ("heartbeat.interval_ms = 86400001", (3, "service[0].heartbeat.interval_ms", "at most 86400000")),
        ("heartbeat.timeout_ms = 0", (3, "service[0].heartbeat.timeout_ms", "at least 1; write how long")),
        ("heartbeat.timeout_ms = 60001", (3, "service[0].heartbeat.timeout_ms", "at most 60000")),
        ("heartbeat.failures = 0", (3, "service[0].heartbeat.failures", "at least 1; write after how many")),
        ("heartbeat.failures = 101", (3, "service[0].heartbeat.failures", "at most 100")),
        ("heartbeat.failure = 1", (3, "service[0].heartbeat.failure", "did you mean 'failures'?")),
        (
            "heartbeat.retries = 1",
            (3, "service[0].heartbeat.retries", "known here: path, interval_ms, timeout_ms, failures"),
        ),
    ];
    for (keys, expected) in cases {
        assert_service_error(keys, *expected);
    }
}

#[test]
fn folders_of_the_state_that_cannot_be() {
    let cases: &[(&str, Expected<'_>)] = &[
        ("state = \"x\"", (1, "state", "must be a table, not a string; write it as in [state] directory")),
        ("[state]\ndirectory = \"\"", (2, "state.directory", "1 to 4096 bytes without NUL")),
        ("[state]\ndirectory = \"a\\u0000\"", (2, "state.directory", "as in \"ringway.state\"")),
        ("[state]\ndirectory = 1", (2, "state.directory", "must be a string")),
        ("[state]\ndirectorie = \"x\"", (2, "state.directorie", "did you mean 'directory'?")),
    ];
    for (text, expected) in cases {
        assert_errors(text, &[*expected]);
    }
}

#[test]
fn match_rules_that_match_nothing() {
    let cases: &[(&str, Expected<'_>)] = &[
        ("match.host = \"example.com:80\"", (3, "service[0].match.host", "leave the port out")),
        ("match.host = \"a.*.com\"", (3, "service[0].match.host", "*.example.com")),
        ("match.host = \"\"", (3, "service[0].match.host", "this is no host name")),
        ("match = { host = \"*\", path = \"api\" }", (3, "service[0].match.path", "must begin with '/'")),
        ("match.path = \"/a?b\"", (3, "service[0].match.path", "percent-encode")),
    ];
    for (keys, expected) in cases {
        assert_service_error(keys, *expected);
    }
}

#[test]
fn addresses_that_nobody_can_have() {
    let cases: &[(&str, Expected<'_>)] = &[
        ("[listen]\nhttp = \"127.0.0.1\"", (2, "listen.http", "write it as 127.0.0.1:9001")),
        ("[listen]\nhttp = \":80\"", (2, "listen.http", "0.0.0.0 stands for all")),
        ("[listen]\nhttp = []", (2, "listen.http", "write one entry at least")),
        ("[listen]\nhttp = \"256.0.0.1:80\"", (2, "listen.http", "is no address")),
        (
            "[listen]\nhttp = [\"127.0.0.1:1\",\n\"127.0.0.1:1\"]",
            (3, "listen.http[1]", "127.0.0.1:1 is listened on already"),
        ),
        (
            "listen.http = \"127.0.0.1:1\"\nadmin.listen = \"127.0.0.1:1\"",
            (2, "admin.listen", "is listened on already"),
        ),
        ("[admin]\nlisten = \"127.0.0.1:99999\"", (2, "admin.listen", "is no address")),
    ];
    for (text, expected) in cases {
        assert_errors(text, &[*expected]);
    }
}

#[test]
fn replicas_that_cannot_be() {
    let cases: &[(&str, Expected<'_>)] = &[
        ("", (1, "service[0].replicas", "is missing; write it as in { addresses = [")),
        ("replicas = {}", (2, "service[0].replicas.addresses", "is missing")),
        ("replicas.addresses = []", (2, "service[0].replicas.addresses", "write one entry at least")),
        ("replicas.addresses = \"127.0.0.1:1\"", (2, "service[0].replicas.addresses", "must be a list")),
        (
            "replicas.addresses = [1]",
            (2, "service[0].replicas.addresses[0]", "write it as in \"127.0.0.1:9001\""),
        ),
        ("replicas.addresses = [\"127.0.0.1:0\"]", (2, "service[0].replicas.addresses[0]", "a port from 1")),
        (
            "replicas.addresses = [\n\"127.0.0.1:1\",\n\"127.0.0.1:1\"]",
            (4, "service[0].replicas.addresses[1]", "the replica of line 3 has the name '127.0.0.1:1', too"),
        ),
        (
            "replicas.addresses = [{ name = \"a\" }]",
            (2, "service[0].replicas.addresses[0].address", "is missing"),
        ),
        (
            "replicas.addresses = [{ name = \"a b\", address = \"127.0.0.1:1\" }]",
            (2, "service[0].replicas.addresses[0].name", "is no proper name; write 1 to 255"),
        ),
        (
            "replicas.addresses = [{ address = \"127.0.0.1:1\", weight = 0 }]",
            (2, "service[0].replicas.addresses[0].weight", "must be at least 1; write the replica's share"),
        ),
        (
            "replicas.addresses = [{ address = \"127.0.0.1:1\", weight = 1001 }]",
            (2, "service[0].replicas.addresses[0].weight", "must be at most 1000"),
        ),
        (
            "replicas.addresses = [{ addres = \"127.0.0.1:1\", address = \"127.0.0.1:1\" }]",
            (2, "service[0].replicas.addresses[0].addres", "did you mean 'address'?"),
        ),
    ];
    for (keys, expected) in cases {
        assert_errors(&format!("[[service]]\n{keys}"), &[*expected]);
    }
}

#[test]
fn services_that_get_in_each_others_way() {
    let replicas = "replicas.addresses = [\"127.0.0.1:9001\"]";
    let two = |first: &str, second: &str| {
        format!("[[service]]\n{first}\n{replicas}\n[[service]]\n{second}\n{replicas}")
    };
    assert_errors(
        &two("name = \"web\"", "name = \"web\"\nmatch.path = \"/b\""),
        &[(5, "service[1].name", "the service of line 2 has this name, too")],
    );
    assert_errors(
        &two("", "match.path = \"/b\""),
        &[(4, "service[1].name", "the service of line 1 has this name, too")],
    );
    assert_errors(
        &two(
            "match = { host = \"A.com\", path = \"/x\" }",
            "name = \"b\"\nmatch = { host = \"a.com.\", path = \"/x\" }",
        ),
        &[(6, "service[1].match", "the service of line 2 takes a.com/x already")],
    );
    assert_errors(
        &two("name = \"a\"", "name = \"b\""),
        &[(4, "service[1].match", "the service of line 1 takes */ already")],
    );
    assert_service_error("name = \"a b\"", (3, "service[0].name", "write 1 to 64 letters"));
    assert_service_error("name = \"\"", (3, "service[0].name", "write 1 to 64 letters"));
}

#[test]
fn control_calls_that_anybody_could_make() {
    let cases: &[(&str, Expected<'_>)] = &[
        ("[admin]\nlisten = \"0.0.0.0:8081\"", (2, "admin.listen", "anybody who reaches 0.0.0.0:8081")),
        (
            "listen.http = \"[::]:80\"\n[admin]\non_ingress = true",
            (3, "admin.on_ingress", "set admin.token_file"),
        ),
        (
            "[admin]\nlisten = \"0.0.0.0:8081\"\ntoken_file = \"does/not/exist\"",
            (3, "admin.token_file", "does/not/exist cannot be read"),
        ),
    ];
    for (text, expected) in cases {
        assert_errors(text, &[*expected]);
    }
}

#[test]
fn a_token_file_without_a_token() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, content) in [("empty-token", " \n"), ("two-tokens", "one\ntwo\n")] {
        std::fs::write(folder.join(name), content).expect("a file");
        let file_name = folder.join("ringway.toml").display().to_string();
        let text = format!("[admin]\ntoken_file = \"{name}\"");
        let errors = Config::parse(&file_name, &text).expect_err("no token").to_string();
        assert!(
            errors.contains(&format!("ringway.toml:2: admin.token_file: {name} holds no token")),
            "{errors}"
        );
    }
}

#[test]
fn all_mistakes_are_reported_at_once_and_in_order() {
    let text = "\
cores = 0
engin = \"auto\"
[listen]
http = \"nowhere\"
[[service]]
name = \"web\"
key = \"nothing\"
match = { host = \"a:1\", path = \"b\" }
timeouts = { connect_ms = 0, first_byte_ms = 0 }
replicas = { addresses = [\"x\", { weight = 0 }] }
";
    assert_errors(
        text,
        &[
            (1, "cores", "at least 1"),
            (2, "engin", "did you mean 'engine'?"),
            (4, "listen.http", "is no address"),
            (7, "service[0].key", "is no key"),
            (8, "service[0].match.host", "port"),
            (8, "service[0].match.path", "'/'"),
            (9, "service[0].timeouts.connect_ms", "at least 1"),
            (9, "service[0].timeouts.first_byte_ms", "at least 1"),
            (10, "service[0].replicas.addresses[0]", "is no address"),
            (10, "service[0].replicas.addresses[1].weight", "at least 1"),
            (10, "service[0].replicas.addresses[1].address", "is missing"),
        ],
    );
}

#[test]
fn an_error_is_one_line_with_file_line_and_key() {
    let text =
        "[[service]]\nreplicas.addresses = [\"127.0.0.1:1\"]\ntimeouts.connect_ms = 0\n\"x\\ny\" = 1\n";
    let said = errors_of(text).to_string();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert_eq!(
        lines[0],
        "ringway.toml:3: service[0].timeouts.connect_ms: must be at least 1; write the time in milliseconds"
    );
}

#[test]
fn lists_are_bounded() {
    let keys = "\"path\",".repeat(17);
    assert_service_error(&format!("key = [{keys}]"), (3, "service[0].key", "more than 16 entries"));
    let addresses: String = (1..=1_025).map(|port| format!("\"127.0.0.1:{port}\",")).collect();
    assert_errors(
        &format!("[[service]]\nreplicas.addresses = [{addresses}]"),
        &[(2, "service[0].replicas.addresses", "more than 1024 entries")],
    );
}

#[test]
fn a_file_full_of_mistakes_is_answered_with_a_bounded_list() {
    let text: String = (0..20_000).map(|number| format!("unknown-{number} = {number}\n")).collect();
    let said = errors_of(&text).to_string();
    assert_eq!(said.lines().count(), 51);
    assert!(said.ends_with("ringway.toml: and 19950 more errors"), "{said}");
}

#[test]
fn files_that_cannot_be_read() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let large = "#".repeat(FILE_BYTES_MAX + 1);
    let cases: [(&str, &[u8], &str); 2] = [
        ("latin1.toml", b"cores = 1\n# caf\xe9\n", "latin1.toml:2: holds bytes that are not UTF-8"),
        ("large.toml", large.as_bytes(), "large.toml: is larger than 1048576 bytes"),
    ];
    for (name, content, expected) in cases {
        std::fs::write(folder.join(name), content).expect("a file");
        let said = Config::load(&folder.join(name)).expect_err("a bad file").to_string();
        assert!(said.contains(expected), "{said}");
    }
    let said = Config::load(&folder.join("missing.toml")).expect_err("no file").to_string();
    assert!(said.contains("missing.toml: cannot be read: ") && said.contains("check the path"), "{said}");
    assert!(Config::load(folder).is_err(), "a folder is no file");
}

#[test]
fn a_good_file_is_loaded() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("good.toml");
    std::fs::write(&path, "cores = 3\n").expect("a file");
    let config = Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.cores.map(std::num::NonZeroUsize::get), Some(3));
}
