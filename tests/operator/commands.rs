//! The commands against an admin interface that the test plays, and against servers that are none.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::thread;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::any;
use ringway::control::call::{Call, CallError, Change};
use rustix::process::{Pid, Signal, kill_process};

use crate::fake::{Fake, token};
use crate::program::{Done, command, ringway};

/// Serves a router for as long as the test runs.
fn serve(router: impl FnOnce() -> Router + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router()).await.unwrap();
        });
    });
    address
}

/// A server that answers whatever comes with these bytes.
fn answering(bytes: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            // A client that has read enough leaves.
            let _ = stream.write_all(&bytes);
        }
    });
    address
}

fn admin(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn out(code: i32, text: &str) -> Done {
    Done { code: Some(code), out: text.to_owned(), error: String::new() }
}

fn three() -> Fake {
    Fake::with(&[("web", "process", &["Server-1", "Server-2", "Server-3"])])
}

#[test]
fn rep_add_and_rm_print_the_replicas() {
    let address = serve(|| {
        three().answering(None, |Call { service, change, wait }| match change {
            Change::Add { n: 2, names } if names == ["a"] && !wait && service.is_none() => {
                Ok(vec!["Server-1".parse().unwrap(), "a".parse().unwrap()])
            }
            Change::Remove { n: 1, names }
                if names.is_empty() && wait && service.as_deref() == Some("web") =>
            {
                Ok(Vec::new())
            }
            change => panic!("{change:?}"),
        })
    });
    let admin = admin(address);
    let cases: [(&[&str], &str); 4] = [
        (&["rep", "--admin", &admin], "Server-1\nServer-2\nServer-3\n"),
        (
            &["rep", "--json", "--admin", &admin],
            "{\"message\":{\"N\":3,\"replicas\":[\"Server-1\",\"Server-2\",\"Server-3\"]},\"status\":\"successful\"}\n",
        ),
        (&["add", "2", "a", "--admin", &admin], "Server-1\na\n"),
        (&["rm", "1", "--wait", "--service", "web", "--admin", &admin], ""),
    ];
    for (arguments, expected) in cases {
        assert_eq!(ringway(arguments), out(0, expected), "{arguments:?}");
    }
}

#[test]
fn a_refusal_is_told_and_exits_with_1() {
    let address = serve(|| three().answering(token(), |_| Err(CallError::NotPositive(-1))));
    let admin = admin(address);
    let file = std::env::temp_dir().join(format!("ringway-token-{}", std::process::id()));
    std::fs::write(&file, "s3cret\n").unwrap();
    let file = file.to_str().unwrap();
    let refused = ringway(&["add", "-1", "--admin", &admin, "--token-file", file]);
    let expected = "ringway: n is -1; write how many replicas, 1 at least\n";
    assert_eq!((refused.code, refused.error.as_str()), (Some(1), expected));
    let refused = ringway(&["rep", "--admin", &admin]);
    let expected = "ringway: Ringway wants its token: give --token-file FILE, or set RINGWAY_TOKEN_FILE\n";
    assert_eq!((refused.code, refused.error.as_str()), (Some(1), expected));
    let by_environment =
        command(&["rep"]).env("RINGWAY_ADMIN", &admin).env("RINGWAY_TOKEN_FILE", file).output();
    assert_eq!(by_environment.unwrap().stdout, b"Server-1\nServer-2\nServer-3\n");
    std::fs::write(file, "s3cres\n").unwrap();
    let refused = ringway(&["rep", "--admin", &admin, "--token-file", file]);
    assert!(
        refused.code == Some(1) && refused.error.contains("has another token than the file"),
        "{refused:?}"
    );
    std::fs::write(file, "two words").unwrap();
    let refused = ringway(&["rep", "--admin", &admin, "--token-file", file]);
    assert!(refused.code == Some(1) && refused.error.contains("holds no token"), "{refused:?}");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_ringway_that_is_not_there_exits_with_3() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().map(|address| (silent, admin(address))).unwrap();
    for (admin, expected) in
        [(admin(unused), "cannot connect to "), (silent.1.clone(), " did not answer within 200 ms")]
    {
        for verb in [&["rep"][..], &["add", "1"], &["status"], &["get", "/"], &["ring", "digest"]] {
            let arguments = [verb, &["--timeout-ms", "200", "--admin", &admin]].concat();
            let done = ringway(&arguments);
            assert_eq!((done.code, done.out.as_str()), (Some(3), ""), "{arguments:?}: {done:?}");
            assert!(done.error.contains(expected) && done.error.contains("is Ringway running"), "{done:?}");
        }
    }
}

#[test]
fn arguments_that_make_no_sense_exit_with_2() {
    for arguments in [
        &["add"][..],
        &["add", "x"],
        &["add", "1.5"],
        &["rep", "--admin", "https://a"],
        &["rep", "--admin", "a b"],
        &["get"],
        &["get", "https://a/"],
        &["get", "/a b", "--ingress", "127.0.0.1:1"],
        &["get", "/", "-H", "no colon"],
        &["ring"],
        &["ring", "explain"],
        &["completions", "tcsh"],
        &["rep", "--timeout-ms", "0"],
    ] {
        let done = ringway(arguments);
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{arguments:?}: {done:?}");
    }
}

#[test]
fn a_hostile_server_is_bounded_and_steers_no_terminal() {
    let with_length =
        |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let endless = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'['; 17 * 1024 * 1024]].concat();
    let escapes = r#"{"message":"<Error> \u001b[2J\nx","status":"failure"}"#;
    let escapes = format!("HTTP/1.1 400 No\r\nContent-Length: {}\r\n\r\n{escapes}", escapes.len());
    let deep = "[".repeat(1_000_000);
    for (bytes, code, expected) in [
        (endless, 3, "is longer than 16 MiB"),
        (with_length(&deep), 1, "is not Ringway's"),
        (with_length("\u{1b}[2J"), 1, "is not Ringway's"),
        (escapes.into_bytes(), 1, "ringway: \\u{1b}[2J x\n"),
        (b"SSH-2.0-x\r\n".to_vec(), 3, "did not answer in HTTP"),
        (Vec::new(), 3, "did not answer in HTTP"),
    ] {
        let done = ringway(&["rep", "--admin", &admin(answering(bytes))]);
        assert_eq!((done.code, done.out.as_str()), (Some(code), ""), "{done:?}");
        assert!(done.error.contains(expected) && !done.error.contains('\u{1b}'), "{expected}: {done:?}");
    }
}

#[test]
fn get_sends_what_it_was_told_and_prints_the_body() {
    let echo = any(|request: axum::extract::Request| async move {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1024).await.unwrap();
        let id = head.headers.get("x-id").map_or("-", |value| value.to_str().unwrap());
        let status = if head.uri.path() == "/gone" { StatusCode::GONE } else { StatusCode::OK };
        let text = String::from_utf8(body.to_vec()).unwrap();
        (status, [("x-seen", "yes")], format!("{} {} {id} {text}\n", head.method, head.uri))
    });
    let address = serve(|| Router::new().fallback(echo));
    let url = admin(address);
    let whole = format!("{url}/a?b=%20");
    for (arguments, expected) in [
        (&["get", &whole][..], "GET /a?b=%20 - \n"),
        (&["get", "home", "--ingress", &url], "GET /home - \n"),
        (&["get", "/p", "--ingress", &url, "-d", "text"], "POST /p - text\n"),
        (&["get", "/p", "--ingress", &url, "-X", "PUT", "-H", "X-Id:  7 ", "-d", "é"], "PUT /p 7 é\n"),
    ] {
        assert_eq!(ringway(arguments), out(0, expected), "{arguments:?}");
    }
    let gone = ringway(&["get", "-i", "/gone", "--ingress", &url]);
    assert_eq!((gone.code, gone.error.as_str()), (Some(1), "ringway: the answer is 410 Gone\n"));
    assert!(gone.out.starts_with("HTTP/1.1 410 Gone\n") && gone.out.contains("\nx-seen: yes\n"), "{gone:?}");
    assert!(gone.out.ends_with("\n\nGET /gone - \n"), "{gone:?}");
}

#[test]
fn status_and_ring_show_what_is_there() {
    let admin = admin(serve(|| three().answering(None, |_| unreachable!("nothing is changed"))));
    let status = ringway(&["status", "--admin", &admin]);
    assert_eq!((status.code, status.error.as_str()), (Some(0), ""));
    for part in
        ["(epoll, 2 cores) is ready on 127.0.0.1:5999\n", "web: 3 of 3 up", "  Server-2  active  yes  "]
    {
        assert!(status.out.contains(part), "{part} is missing in {}", status.out);
    }
    assert!(!status.out.contains('\u{1b}'));
    let digest = ringway(&["ring", "digest", "--admin", &admin]).out;
    let online: Vec<&str> = digest.lines().collect();
    // The fake places by path and has the members that a first start of this configuration has.
    let file = std::env::temp_dir().join(format!("ringway-ring-{}.toml", std::process::id()));
    let replica = |n: u32| format!("{{ name = \"Server-{n}\", address = \"127.0.0.1:{n}\" }}");
    let replicas = [1, 2, 3].map(replica).join(", ");
    let text = format!("[[service]]\nname = \"web\"\nreplicas = {{ addresses = [{replicas}] }}\n");
    std::fs::write(&file, text).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let running = ["--admin", &admin];
    assert_eq!(ringway(&[&["ring", "digest"][..], &config].concat()).out.lines().collect::<Vec<_>>(), online);
    assert!(online[1].contains("  web (rendezvous)") && online[0].len() == 64, "{online:?}");
    for question in [
        &["ring", "explain", "/home", "--json"][..],
        &["ring", "explain", "a key & more"],
        &["ring", "preview", "--add", "x,y", "--remove", "Server-1"],
    ] {
        let (asked, computed) =
            (ringway(&[question, &running].concat()), ringway(&[question, &config].concat()));
        assert_eq!(asked.code, Some(0), "{asked:?}");
        assert_eq!(asked, computed, "{question:?}");
    }
    let unknown = ringway(&[&["ring", "preview", "--remove", "z"][..], &running].concat());
    assert_eq!((unknown.code, unknown.error.as_str()), (Some(1), "ringway: there is no replica 'z'\n"));
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_watch_goes_on_when_ringway_is_away_and_ends_with_an_interrupt() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut watch = command(&["status", "--watch", "--admin", &admin(unused)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(watch.stdout.take().unwrap());
    for _ in 0..2 {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(line.starts_with("cannot connect to "), "{line:?}");
        line.clear();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "\n");
    }
    kill_process(Pid::from_child(&watch), Signal::INT).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[test]
fn completions_know_the_commands_of_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let done = ringway(&["completions", shell]);
        assert_eq!(done.code, Some(0), "{shell}: {}", done.error);
        assert!(done.out.contains("ringway") && done.out.contains("explain"), "{shell}");
    }
}

#[test]
fn an_output_that_takes_nothing_ends_no_command_with_a_panic() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let admin = admin(unused);
    let broken = std::env::temp_dir().join(format!("ringway-broken-{}.toml", std::process::id()));
    std::fs::write(&broken, "cores = 0\n").unwrap();
    let broken = broken.to_str().unwrap();
    for (arguments, code) in [
        (&["rep", "--admin", &admin][..], 3),
        (&["get", "/", "--ingress", &admin], 3),
        (&["check", broken], 1),
        (&["worker", "echo", "--listen", "192.0.2.1:1"], 1),
    ] {
        let status = command(arguments).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
        let mut closed = command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((closed.stdout.take(), closed.stderr.take()));
        assert_eq!(closed.wait().unwrap().code(), Some(code), "{arguments:?}");
    }
    std::fs::write(broken, "").unwrap();
    let status = command(&["check", broken]).stdout(full()).status().unwrap();
    assert_eq!(status.code(), Some(0), "the exit code says that it is valid");
    std::fs::remove_file(broken).unwrap();
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let admin = admin(serve(|| three().answering(None, |_| unreachable!("nothing is changed"))));
    for arguments in
        [&["status"][..], &["status", "--watch"], &["status", "--json"], &["rep"], &["ring", "digest"]]
    {
        let mut piped =
            command(&[arguments, &["--admin", &admin]].concat()).stdout(Stdio::piped()).spawn().unwrap();
        drop(piped.stdout.take());
        assert_eq!(piped.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
}
