//! Answers to requests that go to no replica, or came back from none.

use std::fmt::Display;

use super::core::{Core, Lifecycle};
use super::request::Asked;
use crate::base::core_counters::ConnectionLimit;
use crate::engine::{Engine, Scratch};
use crate::message::{ConnectionOptions, RequestHead, StatusCode, connection_options};
use crate::proxy::answer::Persistence;
use crate::proxy::own_answer::{Asker, detail, write_own};
use crate::proxy::request_id::Id;

/// A request that goes to no replica, with the answer to it: that is written while the head is still there.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) persistence: Persistence,
    pub(super) answer: Scratch,
}

impl Refusal {
    /// The refusal of `bytes`, which are no valid request, for this reason.
    #[cold]
    pub(super) fn malformed<E: Engine>(
        core: &Core<E>,
        bytes: &[u8],
        status: StatusCode,
        why: &dyn Display,
    ) -> Self {
        Refusal::write(core, status, Asker::of_malformed(bytes), None, Persistence::Close, why)
    }

    /// The refusal of a request that is valid so far. `persistence` is how its connection could go on.
    #[cold]
    pub(super) fn of<E: Engine>(
        core: &Core<E>,
        status: StatusCode,
        head: &RequestHead<'_>,
        options: &ConnectionOptions<'_>,
        persistence: Persistence,
    ) -> Self {
        let brought = core.request_ids.as_ref().and_then(|ids| ids.brought(&head.fields, options));
        let goes_on = core.phase.get() == Lifecycle::Serving;
        let persistence = if goes_on { persistence } else { Persistence::Close };
        Refusal::write(core, status, Asker::of_head(head), brought, persistence, &detail(status))
    }

    /// The refusal of a connection beyond `limit`, which nginx answers with the same status; of its first request, which
    /// begins with `bytes`, the head is known if that could be read.
    #[cold]
    pub(super) fn surplus<E: Engine>(
        core: &Core<E>,
        bytes: &[u8],
        head: Option<&RequestHead<'_>>,
        limit: ConnectionLimit,
    ) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let why = format_args!("there are more connections than client.{} allows this core", limit.name());
        let Some(head) = head else {
            return Refusal::write(core, status, Asker::of_malformed(bytes), None, Persistence::Close, &why);
        };
        let options = connection_options(&head.fields).unwrap_or_default();
        let brought = core.request_ids.as_ref().and_then(|ids| ids.brought(&head.fields, &options));
        Refusal::write(core, status, Asker::of_head(head), brought, Persistence::Close, &why)
    }

    fn write<E: Engine>(
        core: &Core<E>,
        status: StatusCode,
        asker: Asker<'_>,
        brought: Option<&[u8]>,
        persistence: Persistence,
        why: &dyn Display,
    ) -> Self {
        let mut answer = core.engine.handle().buffers().scratch();
        let invented = core.request_ids.as_ref().map(|ids| ids.invent()).unwrap_or_default();
        let text = brought.unwrap_or(&invented);
        let asker = asker.with_id(core.request_ids.as_ref().map(|ids| Id { ids, text }));
        tracing::debug!(request = %text.escape_ascii(), %status, "a request was refused: {why}");
        write_own(&mut answer, status, asker, &core.date(), persistence);
        Refusal { status, persistence, answer }
    }
}

/// Appends the answer to a request that failed on its way.
#[cold]
pub(super) fn write_failed<E: Engine>(
    core: &Core<E>,
    out: &mut Vec<u8>,
    asked: &Asked<E>,
    status: StatusCode,
    persistence: Persistence,
) {
    let asker = Asker::of_written_head(asked.method, &asked.head, core.request_ids.as_ref());
    write_own(out, status, asker, &core.date(), persistence);
}

/// A request's id as it stands in the log.
pub(super) fn logged_id<'a, E: Engine>(core: &Core<E>, asked: &'a Asked<E>) -> impl Display + use<'a, E> {
    let id = core.request_ids.as_ref().and_then(|ids| ids.written(&asked.head));
    id.unwrap_or_default().escape_ascii()
}
