//! Mistakes in `replicas` of the provider `process`, and in the choice of a provider.

use super::{Expected, assert_errors};

/// A service of child processes has exactly this error; the keys stand on line 5, below provider and command.
fn assert_process_error(keys: &str, (key, said): (&str, &str)) {
    let text =
        format!("[[service]]\n[service.replicas]\nprovider = \"process\"\ncommand = [\"./server\"]\n{keys}");
    assert_errors(&text, &[(5, &format!("service[0].replicas.{key}"), said)]);
}

#[test]
fn providers_that_are_not_meant() {
    let cases: &[(&str, &[Expected<'_>])] = &[
        (
            "replicas = { provider = \"proces\", command = [\"x\"] }",
            &[(2, "service[0].replicas.provider", "write \"static\" or \"process\"")],
        ),
        (
            "[service.replicas]\ncount = 3\ncommand = [\"x\"]",
            &[(2, "service[0].replicas.provider", "is missing; write it as in provider = \"process\"")],
        ),
        (
            "[service.replicas]\ncount = -1\ncommand = []",
            &[
                (2, "service[0].replicas.provider", "is missing"),
                (3, "service[0].replicas.count", "must be at least 0"),
                (4, "service[0].replicas.command", "write one entry at least"),
            ],
        ),
    ];
    for (keys, expected) in cases {
        assert_errors(&format!("[[service]]\n{keys}"), expected);
    }
}

#[test]
fn keys_of_another_provider_say_whose_they_are() {
    let to_any = "belongs to provider = \"process\" or \"docker\", and this is \"static\"; remove this key, or write provider";
    let to_process = "belongs to provider = \"process\", and this is \"static\"; remove this key, or write";
    let to_docker = "belongs to provider = \"docker\", and this is \"static\"; remove this key, or write";
    let addresses = "replicas = {\naddresses = [\"127.0.0.1:1\"],";
    for provider in ["", "provider = \"static\","] {
        let assert_refused = |key: &str, said: &str| {
            let place = format!("service[0].replicas.{}", key.split(' ').next().expect("a name"));
            let text = format!("[[service]]\n{addresses}{provider}\n{key} }}");
            assert_errors(&text, &[(4, &place, said)]);
        };
        assert_refused("directory = \"x\"", to_process);
        assert_refused("ports = \"2000-3000\"", to_process);
        for key in [
            "image = \"x\"",
            "port = 1",
            "network = \"x\"",
            "labels = {}",
            "memory = 1",
            "cpus = 1",
            "read_only = true",
            "volumes = []",
            "pull = \"never\"",
            "reach = \"name\"",
            "engine = \"x\"",
        ] {
            assert_refused(key, to_docker);
        }
        for key in [
            "count = 3",
            "command = [\"x\"]",
            "env = {}",
            "user = 1",
            "startup_ms = 1",
            "stable_ms = 1",
            "backoff_min_ms = 1",
            "backoff_max_ms = 1",
            "crash_loop = 1",
            "drain_ms = 1",
            "stop_timeout_ms = 1",
            "stop_signal = \"INT\"",
            "on_exit = \"keep\"",
        ] {
            assert_refused(key, to_any);
        }
    }
    let to_static = "belongs to provider = \"static\", and this is \"process\"";
    assert_process_error("addresses = [\"127.0.0.1:1\"]", ("addresses", to_static));
    assert_process_error(
        "image = \"x\"",
        ("image", "belongs to provider = \"docker\", and this is \"process\""),
    );
}

#[test]
fn commands_that_cannot_be_run() {
    let many = format!("[{}]", "\"x\",".repeat(257));
    let long = format!("[\"x\", \"{}\"]", "x".repeat(4_097));
    let cases: &[(&str, &str, &str)] = &[
        ("[]", "command", "is an empty list; write one entry at least, as in command = [\"./server\""),
        ("\"./server --port {port}\"", "command", "must be a list, not a string; write it as in command = ["),
        ("[\"\"]", "command[0]", "must be a string of 1 to 4096 bytes without NUL"),
        ("[\"x\", \"a\\u0000\"]", "command[1]", "must be a string of 0 to 4096 bytes without NUL"),
        (&long, "command[1]", "must be a string of 0 to 4096 bytes"),
        (&many, "command", "more than 256 entries"),
        ("[\"x\", 8080]", "command[1]", "must be a string, not a whole number"),
        (
            "[\"x\", \"{prot}\"]",
            "command[1]",
            "'{prot}' stands for nothing here; known are {port}, {name} and {ringway}",
        ),
        ("[\"x\", \"${HOME}\"]", "command[1]", "write {{ or }} for a brace"),
        ("[\"x}\"]", "command[0]", "a brace stands alone at '}'"),
    ];
    for (command, key, said) in cases {
        let text = format!("[[service]]\n[service.replicas]\nprovider = \"process\"\ncommand = {command}");
        assert_errors(&text, &[(4, &format!("service[0].replicas.{key}"), said)]);
    }
    let text = "[[service]]\n[service.replicas]\nprovider = \"process\"\n";
    let missing = "is missing; write it as in command = [\"./server\", \"--port\", \"{port}\"]";
    assert_errors(text, &[(2, "service[0].replicas.command", missing)]);
}

#[test]
fn environments_that_cannot_be() {
    let long = format!("env = {{ {} = \"\" }}", "x".repeat(256));
    let key_of_long = format!("env.{}", "x".repeat(256));
    let entries: String = (0..257).map(|number| format!("V{number} = \"\",")).collect();
    let cases: &[(&str, (&str, &str))] = &[
        ("env = [\"A=b\"]", ("env", "must be a table, not a list; write it as in env = {")),
        ("env = { A = 1 }", ("env.A", "must be a string, not a whole number")),
        ("env = { A = \"{home}\" }", ("env.A", "known are {port}, {name} and {ringway}")),
        ("env = { A = \"a\\u0000\" }", ("env.A", "of 0 to 4096 bytes without NUL")),
        ("env = { \"\" = \"b\" }", ("env.", "is no name of a variable")),
        ("env = { \"A=B\" = \"b\" }", ("env.A=B", "write 1 to 255 bytes without '=' and NUL")),
        ("env = { \"A\\u0000\" = \"b\" }", ("env.A\0", "is no name of a variable")),
        (&long, (&key_of_long, "write 1 to 255 bytes")),
        (
            "env = { RINGWAY_NONCE = \"b\" }",
            ("env.RINGWAY_NONCE", "names that begin with RINGWAY_ are Ringway's own"),
        ),
        (&format!("env = {{ {entries} }}"), ("env", "more than 256 entries")),
    ];
    for (keys, expected) in cases {
        assert_process_error(keys, *expected);
    }
}

#[test]
fn processes_that_cannot_be() {
    let long = format!("user = \"{}\"", "x".repeat(65));
    let cases: &[(&str, (&str, &str))] = &[
        ("count = 1025", ("count", "must be at most 1024; write how many replicas there are to begin with")),
        ("directory = \"\"", ("directory", "1 to 4096 bytes without NUL; write it as in \"work\"")),
        ("user = \"\"", ("user", "is no user; write a name of 1 to 64 visible ASCII characters")),
        ("user = \"a:b\"", ("user", "without ':' and '/', or a number")),
        (&long, ("user", "is no user")),
        ("user = \"4294967295\"", ("user", "a number below 4294967295")),
        ("user = 4294967295", ("user", "must be at most 4294967294; write the user's number")),
        ("user = -1", ("user", "must be at least 0")),
        ("ports = 20000", ("ports", "must be a string, not a whole number; write it as in \"20000-29999\"")),
        (
            "ports = \"20000\"",
            ("ports", "'20000' is no range of ports; write the lowest and a higher one, 1024"),
        ),
        ("ports = \"80-90\"", ("ports", "1024 or above")),
        ("ports = \"3000-2000\"", ("ports", "is no range of ports")),
        ("ports = \"2000-2001\"\ncount = 3", ("ports", "holds 2 ports for 3 replicas; write a wider range")),
        ("instances = 3", ("instances", "known here: provider, count, command, env, directory, user, ports")),
        ("cont = 3", ("cont", "did you mean 'count'?")),
    ];
    for (keys, expected) in cases {
        assert_process_error(keys, *expected);
    }
}

#[test]
fn supervision_that_cannot_be() {
    let cases: &[(&str, (&str, &str))] = &[
        ("startup_ms = 0", ("startup_ms", "must be at least 1; write the time in milliseconds")),
        ("stable_ms = 0", ("stable_ms", "must be at least 1")),
        (
            "backoff_min_ms = 0",
            ("backoff_min_ms", "must be at least 1; write the first pause between two starts"),
        ),
        ("backoff_min_ms = 30001", ("backoff_min_ms", "must be at most 30000; write the first pause")),
        (
            "backoff_min_ms = 11\nbackoff_max_ms = 10",
            (
                "backoff_min_ms",
                "must be at most 10; write the first pause between two starts, in milliseconds and not above",
            ),
        ),
        ("backoff_max_ms = 0", ("backoff_max_ms", "must be at least 1")),
        ("crash_loop = 0", ("crash_loop", "must be at least 1; write how many starts may fail in a row")),
        ("crash_loop = 1001", ("crash_loop", "must be at most 1000")),
        ("drain_ms = 86400001", ("drain_ms", "must be at most 86400000")),
        ("stop_timeout_ms = 0", ("stop_timeout_ms", "must be at least 1")),
        ("stop_signal = \"SIGKILL\"", ("stop_signal", "write \"SIGINT\" or \"SIGTERM\" or \"SIGQUIT\"")),
        ("stop_signal = \"sigint\"", ("stop_signal", "'sigint' is not known here")),
        (
            "stop_signal = 2",
            ("stop_signal", "must be a string, not a whole number; write it as in \"SIGINT\""),
        ),
        ("on_exit = \"restart\"", ("on_exit", "write \"stop\" or \"keep\"")),
    ];
    for (keys, expected) in cases {
        assert_process_error(keys, *expected);
    }
}
