//! A real server behind the proxy, where there is one.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use socket2::Socket;

use crate::harness::backend::bound;
use crate::harness::engines::skip;
use crate::harness::proxy::{Folder, Process};
use crate::harness::{End, Engine, Proxy, poll};

const SIZES: [(&str, usize); 5] =
    [("empty", 0), ("small", 128), ("page", 16 << 10), ("image", 1 << 20), ("film", 32 << 20)];

struct Nginx {
    address: SocketAddr,
    _reservation: Socket,
    _process: Process,
}

/// The file of a size; no two stretches of it are alike.
fn content(length: usize) -> Vec<u8> {
    let mut state = length as u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn start(folder: &Folder, number: usize) -> Nginx {
    let reservation = bound((Ipv4Addr::LOCALHOST, 0).into());
    let address = reservation.local_addr().unwrap().as_socket().unwrap();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};", folder.path(&format!("{kind}{number}")).display()));
    let text = format!(
        "daemon off; master_process off; pid {pid}; error_log stderr warn;\nevents {{ worker_connections 256; }}\n\
         http {{ access_log off; sendfile on; {temporary}\n server {{ listen {address}; root {root}; }} }}\n",
        pid = folder.path(&format!("pid{number}")).display(),
        temporary = temporary.join(" "),
        root = folder.path("files").display(),
    );
    let file = folder.write(&format!("nginx{number}.conf"), text);
    let process = Process::spawn(Command::new("nginx").arg("-e").arg("stderr").arg("-c").arg(file));
    poll("nginx to listen", || TcpStream::connect(address).ok());
    Nginx { address, _reservation: reservation, _process: process }
}

pub(crate) fn files_come_through_byte_by_byte(engine: Engine) {
    if Command::new("nginx").arg("-v").output().is_err() {
        return skip("nginx", "not installed");
    }
    let folder = Folder::new();
    fs::create_dir(folder.path("files")).unwrap();
    for (name, length) in SIZES {
        folder.write(&format!("files/{name}"), content(length));
    }
    let instances = [0, 1, 2].map(|number| start(&folder, number));
    let addresses = instances.each_ref().map(|nginx| format!("\"{}\"", nginx.address)).join(", ");
    let keys = "key = \"random\"";
    let proxy = Proxy::start(
        engine,
        2,
        &format!("[[service]]\nreplicas = {{ addresses = [{addresses}] }}\n{keys}\n"),
    );
    let mut client = proxy.client();
    for (name, length) in SIZES {
        let file = content(length);
        client.send(format!("GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.end), (200, End::Complete), "{name}");
        assert!(answer.body == file, "{name} differs");
        let tag = answer.field("ETag").expect("a tag").to_owned();
        client.send(format!("GET /{name} HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("ETag")), (304, Some(tag.as_str())), "{name}");
        client.send(format!("HEAD /{name} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer_to("HEAD").expect("an answer");
        assert_eq!(answer.field("Content-Length"), Some(length.to_string().as_str()), "{name}");
        if length > 0 {
            let (from, to) = (length / 3, length * 2 / 3);
            client.send(format!("GET /{name} HTTP/1.1\r\nHost: a\r\nRange: bytes={from}-{to}\r\n\r\n"));
            let answer = client.answer();
            assert_eq!((answer.status, answer.end), (206, End::Complete), "{name}");
            let range = format!("bytes {from}-{to}/{length}");
            assert_eq!(answer.field("Content-Range"), Some(range.as_str()));
            assert!(answer.body == file[from..=to], "the range of {name} differs");
        }
    }
    assert_eq!(proxy.get("/absent").status, 404, "the server's own answer");
    assert_eq!(proxy.metrics().of("retries_total"), 0);
}
