//! Servers that do as they should not, and servers that are not there.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::harness::backend::Peer;
use crate::harness::proxy::{Folder, PROGRAM};
use crate::harness::{Backend, Engine};
use crate::run::load;

pub(crate) fn nobody_listens_there(engine: Engine) {
    let backend = Backend::down(|_| {});
    let run = load(engine, backend.address, "/", "-n 10");
    assert_eq!(run.code, Some(3));
    assert!(run.said.contains(&backend.address.to_string()) && run.said.contains("refused"), "{}", run.said);
}

pub(crate) fn answers_of_4xx_and_5xx_are_no_answers(engine: Engine) {
    let count = AtomicU64::new(0);
    let backend = Backend::start(move |peer| {
        while peer.request().is_some() {
            let status = ["200 OK", "404 Not Found", "503 Service Unavailable", "204 No Content"]
                [(count.fetch_add(1, Ordering::Relaxed) % 4) as usize];
            let length = if status.starts_with("204") { "" } else { "Content-Length: 0\r\n" };
            if peer.send(format!("HTTP/1.1 {status}\r\n{length}\r\n")).is_none() {
                return;
            }
        }
    });
    let run = load(engine, backend.address, "/", "-n 40 -c 1");
    assert_eq!(run.counts(), [40, 20, 20, 0, 0], "{}", run.said);
    for status in ["200", "404", "503", "204"] {
        assert_eq!(run.figure(&format!("/statuses/{status}")), 10.0);
    }
    assert_eq!(run.figure("/latency/count"), 20.0);
    assert_eq!(run.code, Some(1));
}

/// What a server does with the first request of a connection.
type Play = fn(&mut Peer) -> Option<()>;

pub(crate) fn what_is_no_answer_is_counted_by_its_kind(engine: Engine) {
    let table: [(&str, Play); 12] = [
        ("closed_before_answer", |_| None),
        ("reset", |peer| {
            peer.reset();
            None
        }),
        ("closed_within_answer", |peer| peer.send("HTTP/1.1 200 O")),
        ("closed_within_answer", |peer| peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")),
        ("closed_within_answer", |peer| {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        }),
        ("timed_out", |peer| {
            peer.stall();
            None
        }),
        ("timed_out", |peer| {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
            peer.stall();
            None
        }),
        ("malformed_answer", |peer| peer.send("SSH-2.0-OpenSSH_9.2p1\r\n\r\n")),
        ("malformed_answer", |peer| peer.send("HTTP/1.1 2000 OK\r\n\r\n")),
        ("malformed_answer", |peer| {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
        }),
        ("malformed_answer", |peer| {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
        }),
        ("malformed_answer", |peer| peer.send("HTTP/1.1 101 Switching Protocols\r\n\r\n")),
    ];
    for (kind, play) in table {
        let backend = Backend::start(move |peer| {
            if peer.request().is_some() {
                let _ = play(peer);
            }
        });
        let run = load(engine, backend.address, "/", "-n 6 -c 2 --timeout 300ms");
        assert_eq!(run.counts(), [6, 0, 0, 6, 0], "{kind}: {}", run.said);
        assert_eq!(run.failures(), [(kind.to_owned(), 6)], "{}", run.summary);
        assert_eq!(run.summary["latency"], serde_json::Value::Null);
        assert_eq!(run.code, Some(3), "{}", run.said);
    }
}

/// Some say that they close, some only do.
pub(crate) fn a_server_that_ends_its_connections_is_followed(engine: Engine) {
    for fields in ["Connection: close\r\n", ""] {
        let connections = Arc::new(AtomicU64::new(0));
        let counted = connections.clone();
        let backend = Backend::start(move |peer| {
            if peer.request().is_some() {
                counted.fetch_add(1, Ordering::Relaxed);
                let _ = peer.answer(fields, "hello");
            }
        });
        // With a pause between two requests the end has come before the next is due.
        let run = load(engine, backend.address, "/", "-n 10 -c 2 -r 20");
        assert_eq!(run.counts(), [10, 10, 0, 0, 0], "{fields:?}: {}", run.summary);
        assert_eq!(connections.load(Ordering::Relaxed), 10);
    }
}

pub(crate) fn an_answer_without_end_is_cut_off(engine: Engine) {
    let backend = Backend::start(|peer| {
        if peer.request().is_some() {
            let _ = peer.send("HTTP/1.1 200 OK\r\n\r\n");
            while peer.send([b'x'; 65_536]).is_some() {}
        }
    });
    let run = load(engine, backend.address, "/", "-n 2 -c 2 --timeout 300ms");
    assert_eq!(run.counts(), [2, 0, 0, 2, 0], "{}", run.said);
    assert_eq!(run.failures(), [("timed_out".to_owned(), 2)]);
}

pub(crate) fn an_early_refusal_of_a_long_body_is_an_answer(engine: Engine) {
    let backend = Backend::start(|peer| {
        if peer.head().is_some() {
            let _ =
                peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            peer.stall();
        }
    });
    let run = load(engine, backend.address, "/", "-n 3 -c 1 -X PUT --body-size 8000000");
    assert_eq!(run.counts(), [3, 0, 3, 0, 0], "{}", run.summary);
}

pub(crate) fn names_from_answers_cannot_steer_a_terminal(engine: Engine) {
    let backend = Backend::start(|peer| {
        while peer.request().is_some() {
            // Bytes beyond ASCII are allowed in a field; these are a control sequence introducer (C1) in UTF-8.
            if peer.send(b"HTTP/1.1 200 OK\r\nX-Replica: a\xc2\x9b31m\r\nContent-Length: 0\r\n\r\n").is_none()
            {
                return;
            }
        }
    });
    let run = load(engine, backend.address, "/", "-n 4 -c 1 --csv {folder}rows.csv");
    assert_eq!(run.counts(), [4, 4, 0, 0, 0]);
    let rows = std::fs::read(run.folder.path("rows.csv")).unwrap();
    assert!(!rows.windows(2).any(|pair| pair == b"\xc2\x9b"), "{}", String::from_utf8_lossy(&rows));
    assert!(!run.said.contains('\u{9b}'), "{:?}", run.said);
}

pub(crate) fn arguments_that_make_no_sense_are_refused() {
    let folder = Folder::new();
    let empty = folder.write("empty", "# nothing\n\n");
    let wrong = folder.write("wrong", "/one\n/two words here\n");
    let (empty, wrong) = (empty.to_str().unwrap().to_owned(), wrong.to_str().unwrap().to_owned());
    let table: [(&[&str], &str); 10] = [
        (&["https://127.0.0.1:1/"], "http"),
        (&["http://127.0.0.1:1/", "--paths", &empty], "no path"),
        (&["http://127.0.0.1:1/", "--paths", &wrong], "line 2"),
        (&["http://127.0.0.1:1/", "--paths", "/does/not/exist"], "/does/not/exist"),
        (&["http://127.0.0.1:1/a b"], "%20"),
        (&["http://127.0.0.1:1/", "-c", "0"], "connections"),
        (&["http://127.0.0.1:1/", "-H", "Content-Length: 5"], "Content-Length"),
        (&["http://127.0.0.1:1/", "--arrivals", "poisson"], "--rate"),
        (&["http://127.0.0.1:1/", "-n", "5", "-d", "5s"], "cannot be used with"),
        (&["http://127.0.0.1:1/", "--keys", "5"], "{key}"),
    ];
    for (arguments, part) in table {
        let done = Command::new(PROGRAM).arg("load").args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(matches!(done.status.code(), Some(1 | 2)), "{arguments:?}: {:?} {said}", done.status);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}
