//! One connection's task: what it sends, one request after the other.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::Client;
use super::exchange::{Answer, Socket};
use crate::base::time::Moment;
use crate::engine::{self, Engine, Timer};
use crate::load::failure::{Failure, FailureKind};
use crate::load::record::Answered;
use crate::load::schedule::{Next, Ticket};

/// How long a connection rests after it could not be made, so that a dead target is not hammered.
const REST: Duration = Duration::from_millis(100);

/// A place for a connection, made anew where it was lost.
pub(super) struct Connection<E: Engine> {
    client: Rc<Client<E>>,
    socket: Option<Socket<E>>,
    timer: Timer,
    /// The name of the replica that answered last.
    replica: Vec<u8>,
}

impl<E: Engine> Connection<E> {
    pub(super) fn new(client: Rc<Client<E>>) -> Self {
        let timer = client.engine.handle().timer();
        Connection { client, socket: None, timer, replica: Vec::new() }
    }

    /// Connects, and sends what there is to send until there is no more.
    pub(super) async fn serve(mut self) {
        if self.client.plan.keep_alive {
            let gives_up = self.client.now() + self.client.plan.timeout;
            let turn = self.client.turn().await;
            // Whether it fails shows with the first request. Where nobody answers not every one has to find that out.
            if self.client.now() < gives_up {
                let _ = self.connect().await;
            }
            drop(turn);
        }
        let client = self.client.clone();
        client.connected.set(client.connected.get() + 1);
        client.wake_main();
        poll_fn(|_| if client.schedule.borrow().is_some() { Poll::Ready(()) } else { Poll::Pending }).await;
        while let Some((ticket, overdue)) = self.ticket().await {
            client.under_way.set(client.under_way.get() + u64::from(ticket.counted));
            let rest = self.send(ticket, overdue).await;
            client.under_way.set(client.under_way.get() - u64::from(ticket.counted));
            if let Some(until) = rest {
                self.timer.sleep_until(until).await;
            }
        }
        self.drop_socket();
        client.serving.set(client.serving.get() - 1);
        client.wake_main();
    }

    /// The next request, and whether it was due before any connection was free.
    async fn ticket(&mut self) -> Option<(Ticket, bool)> {
        let client = &*self.client;
        let now = client.now();
        let next = match client.schedule.borrow_mut().as_mut() {
            Some(schedule) => schedule.next(now),
            None => Next::Over,
        };
        match next {
            // Where others wait it was for the client to give it to them.
            Next::Now(ticket) => Some((ticket, client.idle.is_empty())),
            Next::At(_) => {
                // Begins to listen, so that it is known by then if the server ends the connection meanwhile.
                let _ = self.socket.as_mut().map(Socket::is_quiet);
                client.idle.take().await.map(|ticket| (ticket, false))
            }
            Next::Over => None,
        }
    }

    /// Sends one request and counts what comes of it. Returns until when the connection rests, if it does.
    async fn send(&mut self, ticket: Ticket, overdue: bool) -> Option<Moment> {
        let client = self.client.clone();
        let taken = client.engine.handle().read_clock();
        let due = ticket.due.unwrap_or(taken);
        if ticket.counted {
            let mut record = client.record.borrow_mut();
            record.begun += 1;
            if !overdue {
                record.lateness.record(taken.since(due));
            }
        }
        let result = match self.ready().await {
            Ok(()) => self.exchange(ticket).await,
            Err(failure) => Err(failure),
        };
        let now = client.engine.handle().read_clock();
        match result {
            Ok((answer, sent)) => {
                self.count(ticket, &answer, (due, sent, now));
                None
            }
            Err(failure) => {
                self.drop_socket();
                let rests = matches!(
                    failure.kind,
                    FailureKind::ConnectRefused | FailureKind::ConnectFailed | FailureKind::Exhausted
                );
                if ticket.counted {
                    client.fail(failure, now);
                }
                rests.then(|| now + REST)
            }
        }
    }

    fn count(&mut self, ticket: Ticket, answer: &Answer, (due, sent, now): (Moment, Moment, Moment)) {
        let (client, span) = (&*self.client, self.client.span.get());
        let mut record = client.record.borrow_mut();
        if answer.status < 400 && now >= span.counts_from && now < span.until {
            record.answered_in_time += 1;
        }
        if !ticket.counted {
            return;
        }
        client.note_end(now);
        record.bytes_received += answer.received;
        record.bytes_sent += answer.sent;
        record.answer(&Answered {
            class: answer.class,
            status: answer.status,
            replica: answer.named.then_some(&*self.replica),
            latency: now.since(due),
            service: ticket.due.map(|_| now.since(sent)),
            at: now.since(span.counts_from),
        });
        client.recent.borrow_mut().record(now.since(due));
    }

    /// Makes sure that there is a connection on which nothing has happened since its last answer.
    async fn ready(&mut self) -> Result<(), Failure> {
        if self.socket.as_mut().is_some_and(|socket| !socket.is_quiet()) {
            self.drop_socket();
        }
        if self.socket.is_none() { self.connect().await } else { Ok(()) }
    }

    async fn exchange(&mut self, ticket: Ticket) -> Result<(Answer, Moment), Failure> {
        let client = self.client.clone();
        let Some(socket) = self.socket.as_mut() else { unreachable!("it was made ready") };
        let sent = client.engine.handle().read_clock();
        let deadline = sent + client.plan.timeout;
        let answer =
            socket.exchange(&client, ticket.index, &mut self.replica, &mut self.timer, deadline).await?;
        if !answer.reusable || !client.plan.keep_alive {
            self.drop_socket();
        }
        Ok((answer, sent))
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        let client = self.client.clone();
        let (engine, began) = (&client.engine, client.engine.handle().read_clock());
        let deadline = began + client.plan.timeout;
        let made = engine::connect(engine, client.plan.address, &mut self.timer, deadline).await;
        let connection = made.map_err(|error| Failure {
            kind: FailureKind::of_connect(error),
            detail: format!("cannot connect to {}: {error}", client.plan.address),
        })?;
        client.record.borrow_mut().connects.record(engine.handle().read_clock().since(began));
        client.open.set(client.open.get() + 1);
        self.socket = Some(Socket::new(connection, engine.handle().buffers().clone()));
        Ok(())
    }

    fn drop_socket(&mut self) {
        if self.socket.take().is_some() {
            self.client.open.set(self.client.open.get() - 1);
        }
    }
}
