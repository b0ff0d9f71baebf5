//! One exchange: a request to a replica, its answer to the client, and what is done when that fails.

use std::rc::Rc;

use super::attempt::{ClientFault, Outcome, attempt};
use super::body_key::{self, Unplaced};
use super::client::{After, Client};
use super::core::{Core, Lifecycle};
use super::download::Cut;
use super::in_flight::InFlight;
use super::refusal::logged_id;
use super::request::Request;
use super::tunnel::tunnel;
use super::upstream::Upstream;
use crate::engine::{Engine, Writer};
use crate::message::StatusCode;
use crate::placement::{KeyHash, ObservationKind, ReplicaId};
use crate::proxy::fault::UpstreamFault;
use crate::proxy::key::Key;
use crate::proxy::own_answer::detail;
use crate::proxy::retry::{Attempts, FailedAttempt, Verdict};

/// The most replicas that one exchange can have tried: one more than [`crate::base::policy::RETRIES_MAX`].
const TRIED_MAX: usize = crate::base::policy::RETRIES_MAX as usize + 1;

/// Serves one request.
pub(super) async fn exchange<E: Engine>(
    core: &Core<E>,
    client: &mut Client<E>,
    mut request: Request<E>,
) -> After {
    core.counters.requests.increment();
    core.counters.exchanges_open.increment();
    request.service.earn_budget();
    let placed = match request.key {
        Key::Hash(hash) => Ok(hash),
        Key::InBody(key) => body_key::place(core, client, &mut request, key).await,
    };
    let after = match placed {
        Ok(hash) => attempts(core, client, &mut request, hash).await,
        Err(Unplaced::Client(fault)) => client_failed(core, client, &request, fault).await,
        Err(Unplaced::NoService) => refuse(core, client, &request, StatusCode::NOT_FOUND).await,
    };
    core.counters.latency.record(core.now() - request.began);
    client.count_bytes(core);
    core.counters.exchanges_open.decrement();
    after
}

async fn attempts<E: Engine>(
    core: &Core<E>,
    client: &mut Client<E>,
    request: &mut Request<E>,
    hash: KeyHash,
) -> After {
    let mut attempts = Attempts::new(request.method, &request.service.service.retries);
    let mut tried = Tried::default();
    let mut same: Option<Rc<Upstream<E>>> = None;
    loop {
        let epoch = core.epoch();
        let fresh = same.is_some();
        let picked = same.take().or_else(|| request.service.pick(hash, tried.ids(), || core.now()).cloned());
        let Some(upstream) = picked else {
            // Nothing will be sent: a client that is slow to take its answer must not keep the generation in use.
            drop(epoch);
            return give_up(core, client, request, UpstreamFault::NoneUp).await;
        };
        if !tried.is_empty() {
            core.counters.retries.increment();
        }
        tried.add(upstream.replica.id);
        let in_flight = InFlight::begin(&upstream);
        let outcome = attempt(core, client, request, in_flight, fresh, epoch).await;
        let failed = match outcome {
            Outcome::Failed(failed) => failed,
            outcome => return conclude(core, client, request, outcome).await,
        };
        upstream.counts().failures.increment();
        observe(core, &upstream, &failed);
        tracing::debug!(
            request = %logged_id(core, request),
            replica = %upstream.replica.name,
            "an attempt failed: {}",
            failed.fault
        );
        let again = match request.service.judge(&mut attempts, &failed) {
            Verdict::SameReplica => Some(upstream.replica.id),
            Verdict::NextReplica => None,
            Verdict::GiveUp => return give_up(core, client, request, failed.fault).await,
            Verdict::OverBudget => {
                core.counters.retries_refused.increment();
                return give_up(core, client, request, failed.fault).await;
            }
        };
        // Membership may have changed meanwhile: the next pick is from the newest snapshot. Nothing may be sent to a
        // replica that is not in it, for its generation is not reported as in use any more.
        let newest = core.view().successor_of(&request.service.service).cloned();
        let Some(newest) = newest else { return give_up(core, client, request, failed.fault).await };
        same = again.and_then(|id| newest.upstream_of(id)).cloned();
        request.service = newest;
    }
}

/// The replicas that an exchange has tried.
#[derive(Default)]
struct Tried {
    ids: [Option<ReplicaId>; TRIED_MAX],
}

impl Tried {
    fn add(&mut self, id: ReplicaId) {
        if let Some(free) = self.ids.iter_mut().find(|tried| tried.is_none()) {
            *free = Some(id);
        }
    }

    fn is_empty(&self) -> bool {
        self.ids[0].is_none()
    }

    fn ids(&self) -> &[Option<ReplicaId>] {
        &self.ids
    }
}

fn observe<E: Engine>(core: &Core<E>, upstream: &Upstream<E>, failed: &FailedAttempt) {
    let kind = match failed.fault {
        UpstreamFault::ConnectFailed => ObservationKind::Unreachable,
        UpstreamFault::ConnectTimedOut => ObservationKind::ConnectTimedOut,
        UpstreamFault::Closed if !failed.reused => ObservationKind::ClosedEarly,
        UpstreamFault::FirstByteTimedOut => ObservationKind::FirstByteTimedOut,
        UpstreamFault::BadAnswer => ObservationKind::BadAnswer,
        _ => return,
    };
    core.observe(upstream, kind);
}

/// Ends an exchange whose request will not be sent again.
async fn conclude<E: Engine>(
    core: &Core<E>,
    client: &mut Client<E>,
    request: &Request<E>,
    outcome: Outcome<E>,
) -> After {
    match outcome {
        Outcome::Answered(answer) => {
            core.counters.answered(answer.status.number());
            if client.flush(core).await.is_err() {
                core.counters.client_aborts.increment();
                if answer.until_close {
                    client.writer.abort();
                }
                After::Close
            } else if answer.client_persists {
                After::NextRequest
            } else {
                After::Linger
            }
        }
        Outcome::Switched(connection, in_flight) => {
            core.counters.answered(StatusCode::SWITCHING_PROTOCOLS.number());
            core.counters.tunnels.increment();
            tunnel(core, client, connection, request.service.service.timeouts.tunnel).await;
            drop(in_flight);
            After::Close
        }
        Outcome::Cut(answer, cut) => {
            core.counters.answered(answer.status.number());
            match cut {
                Cut::Upstream => {
                    tracing::debug!(request = %logged_id(core, request), "an answer broke off behind its head");
                    core.counters.aborted_after_head.increment();
                }
                Cut::Client => core.counters.client_aborts.increment(),
            }
            if answer.until_close {
                // An end of the stream would pass for the end of the body.
                client.writer.abort();
            } else if cut == Cut::Upstream {
                // What was received of the answer goes out; the missing rest shows the failure.
                let _ = client.flush(core).await;
            }
            After::Close
        }
        Outcome::Client(fault) => client_failed(core, client, request, fault).await,
        Outcome::Failed(failed) => give_up(core, client, request, failed.fault).await,
    }
}

async fn client_failed<E: Engine>(
    core: &Core<E>,
    client: &mut Client<E>,
    request: &Request<E>,
    fault: ClientFault,
) -> After {
    let status = match fault {
        ClientFault::Gone => {
            core.counters.client_aborts.increment();
            return After::Close;
        }
        ClientFault::Stalled => StatusCode::REQUEST_TIMEOUT,
        ClientFault::Malformed | ClientFault::NoKey => StatusCode::BAD_REQUEST,
    };
    core.counters.bad_requests.increment();
    refuse(core, client, request, status).await
}

/// Answers a request that goes to no replica; the rest of its body is not read.
async fn refuse<E: Engine>(
    core: &Core<E>,
    client: &mut Client<E>,
    request: &Request<E>,
    status: StatusCode,
) -> After {
    tracing::debug!(request = %logged_id(core, request), %status, "a request was refused: {}", detail(status));
    client.answer_failed(core, request, status, false).await
}

/// Tells the client that its request failed.
async fn give_up<E: Engine>(
    core: &Core<E>,
    client: &mut Client<E>,
    request: &Request<E>,
    fault: UpstreamFault,
) -> After {
    let status = fault.status();
    tracing::debug!(request = %logged_id(core, request), %status, "a request failed: {fault}");
    let persists = request.persists && request.body.finished && core.phase.get() == Lifecycle::Serving;
    client.answer_failed(core, request, status, persists).await
}
