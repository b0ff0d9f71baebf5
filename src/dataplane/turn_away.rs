//! Connections that are not served: each is told so, with 503 and when to come back (RFC 9110 15.6.4), and closed. Left in
//! the listener's queue its client would wait for as long as others like to stay.

use std::rc::Rc;
use std::time::Duration;

use super::client::{After, Client};
use super::core::Core;
use super::refusal::Refusal;
use crate::base::core_counters::ConnectionLimit;
use crate::engine::{Accepted, Engine, Filled};
use crate::h1::{self, Parse};

/// How long a connection is waited for before it is closed without a word. An answer ahead of the request would be lost
/// to clients that look for one only after they have sent it, and reset by what they send then.
const PATIENCE: Duration = Duration::from_secs(1);

/// Refuses a connection, because of `limit`, once it has asked for something.
pub(super) fn turn_away<E: Engine>(
    core: Rc<Core<E>>,
    accepted: Accepted<E::Reader, E::Writer>,
    limit: ConnectionLimit,
) -> impl Future<Output = ()> {
    // Counted now, not when the task first runs: the listener looks at the count before it accepts the next.
    let surplus = Surplus::new(&core);
    let mut client = Client::new(&core, accepted);
    async move {
        client.turn_away(&core, limit).await;
        drop(surplus);
    }
}

impl<E: Engine> Client<E> {
    async fn turn_away(&mut self, core: &Core<E>, limit: ConnectionLimit) {
        let deadline = core.now() + PATIENCE;
        if self.inbound.fill(&mut self.timer, deadline).await != Ok(Filled::More) {
            return;
        }
        let refusal = refusal(core, self.inbound.bytes(), limit);
        core.counters.requests.increment();
        if self.send_refusal(core, &refusal).await == After::Linger {
            Box::pin(self.linger(core)).await;
        }
    }
}

/// The answer to a request that begins with `bytes`: in the form that it asks for if its head has come with them, as most
/// do. More is not waited for.
fn refusal<E: Engine>(core: &Core<E>, bytes: &[u8], limit: ConnectionLimit) -> Refusal {
    let mut fields = core.fields.borrow_mut();
    match h1::parse_request(bytes, &mut fields, &core.head_limits) {
        Ok(Parse::Complete { head, .. }) => Refusal::surplus(core, bytes, Some(&head), limit),
        Ok(Parse::Partial) | Err(_) => Refusal::surplus(core, bytes, None, limit),
    }
}

/// Counts a connection that is turned away while it is open.
struct Surplus<E: Engine> {
    core: Rc<Core<E>>,
}

impl<E: Engine> Surplus<E> {
    fn new(core: &Rc<Core<E>>) -> Self {
        core.admission.surplus_begins();
        Surplus { core: core.clone() }
    }
}

impl<E: Engine> Drop for Surplus<E> {
    fn drop(&mut self) {
        self.core.admission.surplus_ends();
        self.core.connection_closed();
    }
}
