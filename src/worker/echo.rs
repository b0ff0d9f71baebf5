//! The echo worker: a small real server, for the first run, for tests and for measurements.
//!
//! `GET /home` greets by name and `GET /heartbeat` answers with nothing, as system A's servers do. Any other request
//! gets its own body back, or where it has none a line that says what was asked of whom.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::behaviour::{Answer, Asked, Behaviour, EchoOptions, Reaction};
use crate::base::mailbox::{CoreMessage, Mailbox};
use crate::base::time::Moment;
use crate::engine::{Connection, Engine, IoError, Lent, Listener, Reader, Timer, Writer, flush, read};
use crate::h1::{self, BodyDecoder, BodyStep, FieldTable, HeadLimits, Parse, encode};
use crate::message::{MessageBodyLength, StatusCode, Version};

/// How long a client may take for the next bytes.
const PATIENCE: Duration = Duration::from_secs(75);
/// The largest body that is echoed; a longer one gets 413.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long the worker waits after descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a new connection is waited for once the worker drains: its first request may be on its way.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to, and finished what it had begun.
    Drained,
    /// It was told to, and the time that it was given ran out: so many connections were cut.
    Cut(usize),
    /// It had answered as many requests as it was to.
    Spent,
}

/// Serves `listener` as the options say, until they, or a drain that comes by `mailbox`, end it: then no connection is
/// accepted any more but for those that are queued, and what was begun is finished.
pub async fn serve<E: Engine>(
    engine: E,
    listener: E::Listener,
    options: EchoOptions,
    mailbox: Arc<Mailbox>,
) -> Ended {
    let worker = Rc::new(Worker {
        behaviour: RefCell::new(Behaviour::new(options)),
        draining: Cell::new(false),
        spent: Cell::new(false),
        open: Cell::new(1),
        main: RefCell::new(Waker::noop().clone()),
    });
    let handle = engine.handle().clone();
    handle.spawn(accept(engine, listener, worker.clone()));
    let mut drain = Box::pin(drain_time(&mailbox));
    let told = poll_fn(|context| match worker.poll_spent(context) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => drain.as_mut().poll(context).map(Some),
    });
    let Some(time) = told.await else { return Ended::Spent };
    worker.draining.set(true);
    // The listener and idle connections all have to notice, and nothing else would wake them.
    handle.wake_all();
    let deadline = handle.now() + time;
    let mut timer = handle.timer();
    poll_fn(|context| {
        if worker.poll_closed(context).is_ready() || worker.spent.get() {
            return Poll::Ready(());
        }
        timer.poll_expired(deadline, context)
    })
    .await;
    match worker.open.get() {
        0 => Ended::Drained,
        open => Ended::Cut(open),
    }
}

/// Waits for the message that ends the worker: the time that it has then.
async fn drain_time(mailbox: &Mailbox) -> Duration {
    loop {
        if let CoreMessage::Drain { timeout, .. } = mailbox.receive().await {
            return timeout;
        }
    }
}

/// What the connections share.
struct Worker {
    behaviour: RefCell<Behaviour>,
    draining: Cell<bool>,
    spent: Cell<bool>,
    /// The listener, and the connections that are open.
    open: Cell<usize>,
    /// Who waits for `spent`, or for `open` to become 0.
    main: RefCell<Waker>,
}

impl Worker {
    fn poll_spent(&self, context: &mut Context<'_>) -> Poll<()> {
        self.main.borrow_mut().clone_from(context.waker());
        if self.spent.get() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_closed(&self, context: &mut Context<'_>) -> Poll<()> {
        self.main.borrow_mut().clone_from(context.waker());
        if self.open.get() == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    fn wake_main(&self) {
        self.main.borrow().wake_by_ref();
    }
}

/// One that keeps the worker open.
struct Open(Rc<Worker>);

impl Open {
    fn another(worker: &Rc<Worker>) -> Self {
        worker.open.set(worker.open.get() + 1);
        Open(worker.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.wake_main();
    }
}

async fn accept<E: Engine>(engine: E, mut listener: E::Listener, worker: Rc<Worker>) {
    let _open = Open(worker.clone());
    let mut timer = engine.handle().timer();
    let mut stopped = false;
    loop {
        let accepted = poll_fn(|context| {
            if worker.draining.get() && !std::mem::replace(&mut stopped, true) {
                listener.stop();
            }
            listener.poll_connection(context)
        });
        match accepted.await {
            Ok(Some(accepted)) => {
                let server = Server::<E>::new(&engine, accepted.connection, &worker);
                engine.handle().spawn(server.serve());
            }
            Ok(None) => return,
            Err(IoError::Exhausted) => timer.sleep_until(engine.handle().now() + ACCEPT_PAUSE).await,
            // One connection failed before it was accepted.
            Err(_) => {}
        }
    }
}

struct Server<E: Engine> {
    engine: E,
    open: Open,
    reader: E::Reader,
    writer: E::Writer,
    timer: Timer,
    fields: FieldTable,
    /// What has come and is not used up.
    pending: Vec<u8>,
}

/// The connection is over.
struct Over;

impl<E: Engine> Server<E> {
    fn new(engine: &E, connection: Connection<E::Reader, E::Writer>, worker: &Rc<Worker>) -> Self {
        Server {
            engine: engine.clone(),
            open: Open::another(worker),
            reader: connection.reader,
            writer: connection.writer,
            timer: engine.handle().timer(),
            fields: FieldTable::new(),
            pending: Vec::new(),
        }
    }

    async fn serve(mut self) {
        let mut grace = FIRST_REQUEST_GRACE;
        while self.await_request(grace).await.is_ok() {
            grace = Duration::ZERO;
            match self.serve_one().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(Over) => return,
            }
        }
        self.writer.shutdown();
    }

    /// Waits for the first byte of a request; once the worker drains, no longer than `grace`.
    async fn await_request(&mut self, grace: Duration) -> Result<(), Over> {
        if !self.pending.is_empty() {
            return Ok(());
        }
        let now = || self.engine.handle().now();
        let mut deadline = now() + PATIENCE;
        let worker = &self.open.0;
        let mut draining = false;
        let (reader, timer) = (&mut self.reader, &mut self.timer);
        let lent = poll_fn(|context| {
            if let Poll::Ready(lent) = reader.poll_read(context) {
                return Poll::Ready(lent.map_err(|_| Over));
            }
            if worker.draining.get() && !std::mem::replace(&mut draining, true) {
                deadline = deadline.min(now() + grace);
            }
            timer.poll_expired(deadline, context).map(|()| Err(Over))
        })
        .await?;
        self.pending.extend_from_slice(&lent.ok_or(Over)?);
        Ok(())
    }

    async fn serve_one(&mut self) -> Result<bool, Over> {
        let asked = match self.read_head().await? {
            Ok(asked) => asked,
            Err(status) => {
                self.answer(&Answer::empty(status), false, false).await?;
                return Ok(false);
            }
        };
        if asked.expects {
            self.writer.buffer().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.flush().await?;
        }
        let Some(body) = self.read_body(asked.body).await? else {
            self.answer(&Answer::empty(StatusCode::CONTENT_TOO_LARGE), false, false).await?;
            return Ok(false);
        };
        let reaction = self.open.0.behaviour.borrow_mut().react(&asked, body);
        let Reaction::Answer { answer, after, log } = reaction else { return self.hang().await };
        self.pause(after).await;
        let persists = asked.persists && !self.open.0.draining.get();
        self.answer(&answer, asked.head_only, persists).await?;
        self.note(&asked, &answer, log);
        Ok(persists)
    }

    async fn pause(&mut self, time: Duration) {
        if !time.is_zero() {
            let until: Moment = self.engine.handle().now() + time;
            self.timer.sleep_until(until).await;
        }
    }

    /// Answers nothing, until the client has had enough or the worker is to end.
    async fn hang(&mut self) -> Result<bool, Over> {
        loop {
            self.pending.clear();
            self.await_request(Duration::ZERO).await?;
        }
    }

    /// Writes the log, and ends the worker after its last request.
    fn note(&self, asked: &Asked, answer: &Answer, log: bool) {
        let worker = &self.open.0;
        if log {
            let (line, status) = (asked.line.escape_ascii(), answer.status.number());
            // Whoever reads it may have left; the worker goes on.
            let _ = writeln!(std::io::stdout(), "{line} {status}");
        }
        if worker.behaviour.borrow().is_spent() {
            worker.spent.set(true);
            worker.wake_main();
        }
    }

    async fn read_head(&mut self) -> Result<Result<Asked, StatusCode>, Over> {
        loop {
            match h1::parse_request(&self.pending, &mut self.fields, &HeadLimits::default()) {
                Ok(Parse::Complete { head, length }) => {
                    let asked = Asked::of(&head);
                    self.pending.drain(..length);
                    return Ok(asked);
                }
                Ok(Parse::Partial) => self.fill().await?,
                Err(error) => return Ok(Err(error.status())),
            }
        }
    }

    /// The whole body; `None` if it is too large.
    async fn read_body(&mut self, length: MessageBodyLength) -> Result<Option<Vec<u8>>, Over> {
        let mut decoder = BodyDecoder::new(length);
        let mut body = Vec::new();
        loop {
            match decoder.decode(&self.pending).map_err(|_| Over)? {
                BodyStep::Data { skip, data } => {
                    body.extend_from_slice(&self.pending[skip..skip + data]);
                    self.pending.drain(..skip + data);
                    if body.len() > BODY_BYTES_MAX {
                        return Ok(None);
                    }
                }
                BodyStep::NeedMore => {
                    self.pending.clear();
                    self.fill().await?;
                }
                BodyStep::End { consumed } => {
                    self.pending.drain(..consumed);
                    return Ok(Some(body));
                }
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Over> {
        let deadline = self.engine.handle().now() + PATIENCE;
        let lent: Option<Lent> = read(&mut self.reader, &mut self.timer, deadline).await.map_err(|_| Over)?;
        self.pending.extend_from_slice(&lent.ok_or(Over)?);
        Ok(())
    }

    async fn answer(&mut self, answer: &Answer, head_only: bool, persists: bool) -> Result<(), Over> {
        let out = self.writer.buffer();
        encode::status_line(out, Version::Http11, answer.status);
        encode::field_line(out, b"Server", b"ringway-echo");
        encode::field_line(out, b"X-Replica", self.open.0.behaviour.borrow().id().as_bytes());
        encode::number_field_line(out, b"Content-Length", answer.content.len() as u64);
        if !persists {
            encode::field_line(out, b"Connection", b"close");
        }
        out.extend_from_slice(encode::HEAD_END);
        if !head_only {
            out.extend_from_slice(&answer.content);
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Over> {
        let deadline = self.engine.handle().now() + PATIENCE;
        flush(&mut self.writer, &mut self.timer, deadline).await.map_err(|_| Over)
    }
}
