//! `hyper_server LISTEN RECORDS`: hyper behind Ringway for `bench/matrix`. Each request is recorded as one line and told in the answer.

use std::convert::Infallible;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, records] = arguments.as_slice() else {
        return Err("usage: hyper_server LISTEN RECORDS".into());
    };
    let records = Arc::new(OpenOptions::new().append(true).create(true).open(records)?);
    let listener = TcpListener::bind(address.parse::<SocketAddr>()?).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, records.clone()));
    }
}

async fn serve(stream: TcpStream, records: Arc<File>) {
    let service = service_fn(move |request| answer(request, records.clone()));
    // A connection that ends in an error is what many of the cases are about.
    let _ended = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, records: Arc<File>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(told(StatusCode::BAD_REQUEST, Bytes::new()));
    };
    let target = head.uri.to_string();
    if target.starts_with("/probe-") {
        return Ok(told(StatusCode::OK, target.into()));
    }
    let hash: String = Sha256::digest(body.to_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let record = json!({ "method": head.method.as_str(), "target": target, "sha256": hash }).to_string();
    // In one call: lines of several connections must not mix.
    let status = match (&*records).write_all(format!("{record}\n").as_bytes()) {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Ok(told(status, record.into()))
}

fn told(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}
