//! `pingora-contender LISTEN POOL UPSTREAM...`: pingora with one worker thread, as `bench/run` configures the other proxies.
//!
//! Placement by a consistent hash of the URI, a pool of at most `POOL` idle upstream connections, no log.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::lb::LoadBalancer;
use pingora::lb::selection::Consistent;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error as ProxyError, ErrorType, Result as ProxyResult};

/// How many servers are looked at before a request is given up; all are healthy here, so the first is taken.
const CANDIDATES_MAX: usize = 16;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, pool, upstreams @ ..] = arguments.as_slice() else {
        eprintln!("usage: pingora-contender LISTEN POOL UPSTREAM...");
        return ExitCode::from(2);
    };
    match serve(listen, pool, upstreams) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("pingora-contender: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(listen: &str, pool: &str, upstreams: &[String]) -> Result<std::convert::Infallible, Box<dyn Error>> {
    let configuration =
        ServerConf { threads: 1, upstream_keepalive_pool_size: pool.parse()?, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let placement = LoadBalancer::try_from_iter(upstreams)?;
    let mut proxy = http_proxy_service(&server.configuration, Ingress(Arc::new(placement)));
    proxy.add_tcp(listen);
    server.add_service(proxy);
    server.run_forever()
}

struct Ingress(Arc<LoadBalancer<Consistent>>);

#[async_trait]
impl ProxyHttp for Ingress {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, session: &mut Session, _context: &mut ()) -> ProxyResult<Box<HttpPeer>> {
        let uri = session.req_header().uri.path_and_query();
        let key = uri.map_or("/", |uri| uri.as_str());
        let server = self.0.select(key.as_bytes(), CANDIDATES_MAX);
        let server = server.ok_or_else(|| ProxyError::new(ErrorType::ConnectProxyFailure))?;
        Ok(Box::new(HttpPeer::new(server, false, String::new())))
    }
}
