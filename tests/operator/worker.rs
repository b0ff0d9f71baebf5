//! The echo worker as a process: its options, and its end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;

use crate::program::{Worker, ringway};

const PATIENCE: Duration = Duration::from_secs(20);

fn connect(worker: &Worker) -> TcpStream {
    let stream = TcpStream::connect(worker.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, path: &str) {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: w\r\n\r\n").unwrap();
}

/// All that comes until the worker ends the connection.
fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// One answer with a body of a known length.
fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    let head = String::from_utf8(text).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

#[test]
fn a_signal_lets_what_was_begun_finish_and_ends_with_0() {
    for signal in [Signal::INT, Signal::TERM] {
        let worker = Worker::start(&["--delay-ms", "300"]);
        let mut idle = connect(&worker);
        ask(&mut idle, "/heartbeat");
        assert!(answer(&mut idle).starts_with("HTTP/1.1 200 "));
        let mut busy = connect(&worker);
        ask(&mut busy, "/home");
        worker.signal(signal);
        assert_eq!(rest(idle), "", "an idle connection is closed");
        let last = rest(busy);
        assert!(last.starts_with("HTTP/1.1 200 ") && last.contains("\r\nConnection: close\r\n"), "{last}");
        assert!(last.ends_with("{\"message\":\"Hello from Server: w\",\"status\":\"successful\"}"), "{last}");
        let address = worker.address;
        let (status, _, said) = worker.wait();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let worker = Worker::start(&["--delay-ms", "4000"]);
    let mut busy = connect(&worker);
    ask(&mut busy, "/home");
    let mut idle = connect(&worker);
    ask(&mut idle, "/heartbeat");
    answer(&mut idle);
    worker.signal(Signal::TERM);
    assert_eq!(rest(idle), "", "its end shows that the signal was heard");
    worker.signal(Signal::TERM);
    assert_eq!(worker.wait().0.code(), Some(1));
}

#[test]
fn options_shape_its_answers() {
    let worker = Worker::start(&["--size", "100000", "--log"]);
    let mut stream = connect(&worker);
    ask(&mut stream, "/home");
    let home = answer(&mut stream);
    assert!(home.ends_with(&format!("\r\n\r\n{}", "x".repeat(100_000))) && home.contains("X-Replica: w\r\n"));
    ask(&mut stream, "/else?a=1");
    assert!(answer(&mut stream).ends_with("w: GET /else?a=1\n"));
    worker.signal(Signal::INT);
    let (status, out, _) = worker.wait();
    assert_eq!((status.code(), out.as_str()), (Some(0), "GET /home 200\nGET /else?a=1 200\n"));

    let worker = Worker::start(&["--fail", "100", "--heartbeat", "fail"]);
    let mut stream = connect(&worker);
    for path in ["/home", "/heartbeat"] {
        ask(&mut stream, path);
        assert!(answer(&mut stream).starts_with("HTTP/1.1 500 "), "{path}");
    }
}

#[test]
fn it_ends_by_itself_after_as_many_requests_as_it_was_told() {
    let worker = Worker::start(&["--exit-after", "2"]);
    let mut stream = connect(&worker);
    for path in ["/home", "/heartbeat", "/home"] {
        ask(&mut stream, path);
        assert!(answer(&mut stream).starts_with("HTTP/1.1 200 "), "{path}");
    }
    assert_eq!(worker.wait().0.code(), Some(1));
}

#[test]
fn a_heartbeat_that_hangs_holds_up_neither_others_nor_the_end() {
    let worker = Worker::start(&["--heartbeat", "hang"]);
    let mut hanging = connect(&worker);
    ask(&mut hanging, "/heartbeat");
    let mut other = connect(&worker);
    ask(&mut other, "/home");
    assert!(answer(&mut other).starts_with("HTTP/1.1 200 "));
    worker.signal(Signal::INT);
    assert_eq!(rest(hanging), "");
    assert_eq!(worker.wait().0.code(), Some(0));
}

#[test]
fn a_name_that_would_break_the_header_is_refused() {
    let long = "x".repeat(256);
    for id in ["", "a b", "a\r\nX-Evil: 1", "a\n", "\u{1b}[2J", "é", "a\"b", "a\\b", &long] {
        let done = ringway(&["worker", "echo", "--listen", "127.0.0.1:0", "--id", id]);
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{id:?}: {done:?}");
        assert!(done.error.contains("write 1 to 255 visible ASCII characters"), "{id:?}: {done:?}");
        assert!(!done.error.contains('\u{1b}'), "{id:?}: {done:?}");
    }
}
