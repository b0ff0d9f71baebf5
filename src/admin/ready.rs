//! `/readyz`: whether this Ringway should get traffic.
//!
//! It begins with "starting" (503), because a balancer or a roll-out that sends requests before the first replicas run
//! would turn a start into a burst of errors. It is ready from the moment at which each service with replicas has one
//! that is up, and then stays so until it drains: were it to follow the replicas, all Ringways would leave the balancer
//! at once when a service's replicas die, and take the healthy services with them, where one service's 503 with
//! Retry-After is what its clients should see. For the same reason a service whose replicas all crash-loop holds the
//! others up no longer; but where no service at all has a replica that is up, a roll-out should stop here, so it stays
//! "starting".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Operator;
use crate::control::view::{ReplicaState, View};
use crate::control::{CONTROL_SERVICE, Shared};
use crate::placement::Service;

/// Whether the start is over. Written by the admin interface alone.
#[derive(Debug, Default)]
pub(super) struct Readiness(AtomicBool);

/// What a probe is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Ready,
    Draining,
}

pub(super) async fn ready(State(operator): State<Arc<Operator>>) -> Response {
    match operator.readiness.phase(&operator.shared) {
        Phase::Ready => "ready\n".into_response(),
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
    }
}

impl Readiness {
    fn phase(&self, shared: &Shared) -> Phase {
        if shared.is_draining() {
            return Phase::Draining;
        }
        // Nothing else is published through it.
        if !self.0.load(Ordering::Relaxed) && has_started(shared) {
            self.0.store(true, Ordering::Relaxed);
        }
        if self.0.load(Ordering::Relaxed) { Phase::Ready } else { Phase::Starting }
    }

    /// The word for the operator.
    pub(super) fn word(&self, shared: &Shared) -> &'static str {
        match self.phase(shared) {
            Phase::Starting => "starting",
            Phase::Ready => "ready",
            Phase::Draining => "draining",
        }
    }
}

fn has_started(shared: &Shared) -> bool {
    let (snapshot, view) = (shared.snapshots.current(), shared.view());
    // Whoever serves only the control calls serves nothing.
    let counts = |service: &Service| !service.replicas.is_empty() && *service.name != *CONTROL_SERVICE;
    let with_replicas = || snapshot.services.iter().filter(|service| counts(service));
    let any_is_up = with_replicas().any(|service| is_up(service));
    let none_is_awaited = with_replicas().all(|service| is_up(service) || is_given_up(service, &view));
    none_is_awaited && (any_is_up || with_replicas().next().is_none())
}

fn is_up(service: &Service) -> bool {
    service.replicas.iter().any(|replica| replica.health.is_up())
}

/// Whether every member failed so often that it will not be up soon.
fn is_given_up(service: &Service, view: &View) -> bool {
    let found = view.services.iter().find(|candidate| candidate.name == service.name);
    found.is_some_and(|service| {
        let mut members = service.replicas.iter().filter(|replica| replica.member).peekable();
        members.peek().is_some() && members.all(|replica| replica.state == ReplicaState::CrashLoop)
    })
}
