//! A real nginx sends every key to the server that our continuum names. Skipped where there is no nginx.
#![allow(clippy::unwrap_used, reason = "a test that panics names its line")]

#[path = "shared/harness/clock.rs"]
mod clock;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ringway::base::algorithm::Algorithm;
use ringway::placement::{Member, Table};
use socket2::{Domain, Socket, Type};

const KEYS: u32 = 10_000;
/// Requests that are sent before their answers are read.
const BATCH: u32 = 100;

/// A folder of this test's own; short, for the sake of the paths of its sockets.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// nginx, killed with its value.
struct Nginx {
    process: Child,
    _folder: Folder,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn nginx() -> Option<&'static str> {
    ["nginx", "/usr/sbin/nginx"].into_iter().find(|program| Command::new(program).arg("-v").output().is_ok())
}

/// Sockets that keep ports of the system's choice; nginx binds them beside, as they do not listen.
fn ports(count: usize) -> Vec<(Socket, SocketAddr)> {
    let reserve = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, address)
    };
    (0..count).map(reserve).collect()
}

/// nginx in front of itself: each server answers with its own name.
fn configuration(folder: &Path, front: SocketAddr, servers: &[(String, u32)]) -> String {
    let mut upstream = String::from("hash $arg_key consistent; keepalive 32;\n");
    let mut blocks = String::new();
    for (name, weight) in servers {
        // Writing to a string cannot fail.
        let _ = writeln!(upstream, "server {name} weight={weight};");
        let _ = writeln!(blocks, "server {{ listen {name}; location / {{ return 200 \"{name}\"; }} }}");
    }
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log stderr warn;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; keepalive_requests 100000; {temporary}\n\
         upstream ring {{ {upstream} }}\n{blocks}\n\
         server {{ listen {front}; location / {{ proxy_pass http://ring; proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; proxy_set_header Host a; }} }} }}\n"
    )
}

fn start(
    program: &str,
    number: u32,
    front: SocketAddr,
    servers: impl Fn(&Path) -> Vec<(String, u32)>,
) -> (Nginx, Vec<(String, u32)>) {
    let folder = std::env::temp_dir().join(format!("ringway-ketama-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let folder = Folder(folder);
    let servers = servers(&folder.0);
    let file = folder.0.join("nginx.conf");
    fs::write(&file, configuration(&folder.0, front, &servers)).unwrap();
    let mut command = Command::new(program);
    command.args(["-e", "stderr", "-c"]).arg(file).stdin(Stdio::null()).stdout(Stdio::null());
    let nginx = Nginx { process: command.spawn().unwrap(), _folder: folder };
    clock::poll("nginx to listen", || TcpStream::connect(front).ok());
    (nginx, servers)
}

/// The body of each answer on a connection that stays open; each has a length.
fn bodies(stream: &mut TcpStream, count: u32) -> Vec<String> {
    let mut pending = Vec::new();
    let mut part = [0; 65_536];
    let mut found = Vec::new();
    while found.len() < count as usize {
        if let Some((body, length)) = answer(&pending) {
            found.push(body);
            pending.drain(..length);
            continue;
        }
        let read = stream.read(&mut part).unwrap();
        assert!(
            read > 0,
            "nginx closed after {} answers: {}",
            found.len(),
            String::from_utf8_lossy(&pending)
        );
        pending.extend_from_slice(&part[..read]);
    }
    found
}

/// The first complete answer's body, and its length with the head.
fn answer(bytes: &[u8]) -> Option<(String, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(start) = head.parse(bytes).unwrap() else { return None };
    assert_eq!(head.code, Some(200), "{}", String::from_utf8_lossy(bytes));
    let length = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length")).unwrap();
    let end = start + std::str::from_utf8(length.value).unwrap().parse::<usize>().unwrap();
    bytes.get(start..end).map(|body| (String::from_utf8(body.to_vec()).unwrap(), end))
}

fn agree(servers: &[(String, u32)], front: SocketAddr) {
    let members: Vec<_> = servers
        .iter()
        .zip(1..)
        .map(|((name, weight), ordinal)| Member { name, ordinal, weight: *weight })
        .collect();
    let table = Table::build(&Algorithm::Ketama, &members).unwrap();
    let mut stream = TcpStream::connect(front).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(clock::PATIENCE)).unwrap();
    let mut answered = vec![0; servers.len()];
    for batch in 0..KEYS / BATCH {
        let keys: Vec<_> =
            (batch * BATCH..(batch + 1) * BATCH).map(|number| format!("user-{number}")).collect();
        let requests: String =
            keys.iter().map(|key| format!("GET /?key={key} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
        stream.write_all(requests.as_bytes()).unwrap();
        for (key, body) in keys.iter().zip(bodies(&mut stream, BATCH)) {
            let own = table.first(table.hasher().hash(key.as_bytes())).map(usize::from).unwrap();
            assert_eq!(servers[own].0, body, "{key} of {servers:?}");
            answered[own] += 1;
        }
    }
    assert!(answered.iter().all(|count| *count > 0), "a server got no key: {answered:?} of {servers:?}");
}

#[test]
fn every_key_goes_where_nginx_sends_it() {
    let Some(program) = nginx() else {
        // Not by println: a test that passes would keep it to itself.
        let _ = writeln!(std::io::stderr(), "SKIP ketama against nginx: not installed");
        let required = std::env::var_os("RINGWAY_TEST_REQUIRE_ALL").is_some_and(|value| value == "1");
        return assert!(!required, "RINGWAY_TEST_REQUIRE_ALL is set, and there is no nginx");
    };
    let weights: [&[u32]; 3] = [&[1, 1, 1], &[1, 2, 7, 3, 1], &[1; 10]];
    for (weights, number) in weights.into_iter().zip(0..) {
        let ports = ports(weights.len() + 1);
        let front = ports[0].1;
        // The last server listens on a socket of the file system, whose name has no port.
        let servers = |folder: &Path| {
            let names = ports[1..weights.len()].iter().map(|(_, address)| address.to_string());
            let names = names.chain([format!("unix:{}", folder.join("socket").display())]);
            names.zip(weights.iter().copied()).collect()
        };
        let (_nginx, servers) = start(program, number, front, servers);
        agree(&servers, front);
    }
}
