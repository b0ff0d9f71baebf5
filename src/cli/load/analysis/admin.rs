//! Questions to the admin interface of the Ringway that is measured.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use tokio::runtime::{Builder, Runtime};

use super::configuration::SERVICE;
use crate::admin::status::{Replica, Status};
use crate::cli::Failure;
use crate::cli::client::{self, Answer, Base};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks, and waits for the answer on the thread that asks.
#[derive(Debug)]
pub(super) struct Admin {
    base: Base,
    runtime: Runtime,
}

impl Admin {
    pub(super) fn new(address: SocketAddr) -> Result<Admin, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Admin { base: Base::parse(&format!("http://{address}"))?, runtime })
    }

    /// Whether each service has had a replica that was up.
    pub(super) fn is_ready(&self) -> Result<bool, Failure> {
        Ok(self.get("/readyz")?.status() == StatusCode::OK)
    }

    /// What there is now.
    pub(super) fn status(&self) -> Result<Status, Failure> {
        let answer = self.get("/status")?;
        Ok(serde_json::from_slice(answer.body())?)
    }

    fn get(&self, target: &str) -> Result<Answer, Failure> {
        let request = Request::builder().method(Method::GET).uri(target).body(Bytes::new())?;
        Ok(self.runtime.block_on(client::send(&self.base, request, TIMEOUT))?)
    }
}

/// The replicas of the service that is measured.
pub(super) fn replicas(status: &Status) -> &[Replica] {
    status.services.iter().find(|service| service.name == SERVICE).map_or(&[], |service| &service.replicas)
}

/// Whether keys go to it.
pub(super) fn is_active(replica: &Replica) -> bool {
    replica.up && replica.state == "active"
}

/// Attempts that were not the first one of their request, of all cores.
pub(super) fn retries(status: &Status) -> u64 {
    status.cores.iter().map(|core| core.retries).sum()
}

/// Answers that broke off after their head, of all cores.
pub(super) fn aborted_after_head(status: &Status) -> u64 {
    status.cores.iter().map(|core| core.aborted_after_head).sum()
}
