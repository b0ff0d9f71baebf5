//! One exchange: a request to a replica, its answer to the client, and what is done when that fails.

use std::rc::Rc;

use super::attempt::{ClientFault, Outcome};
use super::body_key;
use super::client::{After, Client};
use super::core::{Core, Lifecycle};
use super::download::Cut;
use super::in_flight::InFlight;
use super::pace::Pace;
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

/// Why a request goes to no replica.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unplaced {
    /// The client's part failed.
    Client(ClientFault),
    /// Its service is gone.
    NoService,
}

/// One request under way.
///
/// In one place, and its steps are methods: a future keeps its arguments twice, once as they came and once in use.
pub(super) struct Exchange<'a, E: Engine> {
    pub(super) core: &'a Core<E>,
    pub(super) client: &'a mut Client<E>,
    pub(super) request: &'a mut Request<E>,
}

impl<E: Engine> Exchange<'_, E> {
    /// Serves the request.
    pub(super) async fn serve(&mut self) -> After {
        let core = self.core;
        core.counters.requests.increment();
        core.counters.exchanges_open.increment();
        self.request.asked.service.earn_budget();
        let after = match self.place().await {
            Ok(hash) => match self.attempts(hash).await {
                Ok(outcome) => self.conclude(outcome).await,
                Err(fault) => self.give_up(fault).await,
            },
            Err(Unplaced::Client(fault)) => self.client_failed(fault).await,
            Err(Unplaced::NoService) => self.refuse(StatusCode::NOT_FOUND).await,
        };
        core.counters.latency.record(core.now() - self.request.asked.began);
        self.client.count_bytes(core);
        core.counters.exchanges_open.decrement();
        after
    }

    /// Where the request belongs, once what has to be known, and to be there, before a replica is picked has come.
    async fn place(&mut self) -> Result<KeyHash, Unplaced> {
        let hash = match self.request.asked.key {
            Key::Hash(hash) => hash,
            // In a box, as all is that few requests need: the exchange of the others is to be small.
            Key::InBody(key) => Box::pin(body_key::place(self.core, self.client, self.request, key)).await?,
        };
        self.await_small_body().await?;
        Ok(hash)
    }

    /// Waits for the whole of a small body: see [`Request::awaited_body`].
    async fn await_small_body(&mut self) -> Result<(), Unplaced> {
        let (core, awaited) = (self.core, self.request.awaited_body());
        if self.client.inbound.bytes().len() >= awaited {
            return Ok(());
        }
        let mut pace = Pace::new();
        while self.client.inbound.bytes().len() < awaited {
            let filled = pace.fill(core, &mut self.client.inbound, &mut self.client.timer).await;
            filled.map_err(Unplaced::Client)?;
        }
        self.request.renew(core).ok_or(Unplaced::NoService)
    }

    /// Sends the request until it is answered, or will not be sent again.
    async fn attempts(&mut self, hash: KeyHash) -> Result<Outcome<E>, UpstreamFault> {
        let core = self.core;
        let mut attempts =
            Attempts::new(self.request.asked.method, &self.request.asked.service.service.retries);
        let mut tried = Tried::default();
        let mut same: Option<Rc<Upstream<E>>> = None;
        loop {
            let fresh = same.is_some();
            let pick = || self.request.asked.service.pick(hash, tried.ids(), || core.now()).cloned();
            let upstream = same.take().or_else(pick).ok_or(UpstreamFault::NoneUp)?;
            if !tried.is_empty() {
                core.counters.retries.increment();
            }
            tried.add(upstream.replica.id);
            let failed = match self.attempt(InFlight::begin(&upstream), fresh).await {
                Outcome::Failed(failed) => failed,
                outcome => return Ok(outcome),
            };
            same = self.again(&mut attempts, &upstream, &failed)?;
        }
    }

    /// Whether a failed attempt is repeated; on the same replica, if one is returned.
    #[cold]
    fn again(
        &mut self,
        attempts: &mut Attempts,
        upstream: &Upstream<E>,
        failed: &FailedAttempt,
    ) -> Result<Option<Rc<Upstream<E>>>, UpstreamFault> {
        let core = self.core;
        upstream.counts().failures.increment();
        observe(core, upstream, failed);
        tracing::debug!(
            request = %logged_id(core, &self.request.asked),
            replica = %upstream.replica.name,
            "an attempt failed: {}",
            failed.fault
        );
        let again = match self.request.asked.service.judge(attempts, failed) {
            Verdict::SameReplica => Some(upstream.replica.id),
            Verdict::NextReplica => None,
            Verdict::GiveUp => return Err(failed.fault),
            Verdict::OverBudget => {
                core.counters.retries_refused.increment();
                return Err(failed.fault);
            }
        };
        self.request.renew(core).ok_or(failed.fault)?;
        Ok(again.and_then(|id| self.request.asked.service.upstream_of(id)).cloned())
    }

    /// Ends an exchange whose request will not be sent again.
    async fn conclude(&mut self, outcome: Outcome<E>) -> After {
        let core = self.core;
        match outcome {
            Outcome::Answered(answer) => {
                core.counters.answered(answer.status.number());
                if self.client.flush(core).await.is_err() {
                    core.counters.client_aborts.increment();
                    if answer.until_close {
                        self.client.writer.abort();
                    }
                    After::Close
                } else if answer.client_persists {
                    After::NextRequest
                } else if self.request.asked.is_last && self.client.inbound.bytes().is_empty() {
                    // Nothing can come that a close would answer with a reset.
                    After::Close
                } else {
                    After::Linger
                }
            }
            Outcome::Switched(connection, in_flight) => {
                core.counters.answered(StatusCode::SWITCHING_PROTOCOLS.number());
                core.counters.tunnels.increment();
                let idle = self.request.asked.service.service.timeouts.tunnel;
                Box::pin(tunnel(core, self.client, connection, idle)).await;
                drop(in_flight);
                After::Close
            }
            Outcome::Cut(answer, cut) => {
                core.counters.answered(answer.status.number());
                match cut {
                    Cut::Upstream => {
                        let request = logged_id(core, &self.request.asked);
                        tracing::debug!(%request, "an answer broke off behind its head");
                        core.counters.aborted_after_head.increment();
                    }
                    Cut::Client => core.counters.client_aborts.increment(),
                }
                if answer.until_close {
                    // An end of the stream would pass for the end of the body.
                    self.client.writer.abort();
                } else if cut == Cut::Upstream {
                    // What was received of the answer goes out; the missing rest shows the failure.
                    let _ = self.client.flush(core).await;
                }
                After::Close
            }
            Outcome::Client(fault) => self.client_failed(fault).await,
            Outcome::Failed(failed) => self.give_up(failed.fault).await,
        }
    }

    async fn client_failed(&mut self, fault: ClientFault) -> After {
        let status = match fault {
            ClientFault::Gone => {
                self.core.counters.client_aborts.increment();
                return After::Close;
            }
            ClientFault::Stalled => StatusCode::REQUEST_TIMEOUT,
            ClientFault::Malformed | ClientFault::NoKey => StatusCode::BAD_REQUEST,
        };
        self.core.counters.bad_requests.increment();
        self.refuse(status).await
    }

    /// Answers a request that goes to no replica; the rest of its body is not read.
    async fn refuse(&mut self, status: StatusCode) -> After {
        let request = logged_id(self.core, &self.request.asked);
        tracing::debug!(%request, %status, "a request was refused: {}", detail(status));
        self.client.answer_failed(self.core, &self.request.asked, status, false).await
    }

    /// Tells the client that its request failed.
    async fn give_up(&mut self, fault: UpstreamFault) -> After {
        let status = fault.status();
        let asked = &self.request.asked;
        tracing::debug!(request = %logged_id(self.core, asked), %status, "a request failed: {fault}");
        let persists =
            asked.persists && self.request.body.finished && self.core.phase.get() == Lifecycle::Serving;
        self.client.answer_failed(self.core, asked, status, persists).await
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
