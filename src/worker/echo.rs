//! The echo worker: a small real server, for the first run, for tests and for measurements.
//!
//! `GET /home` greets by name and `GET /heartbeat` answers with nothing, as system A's servers do. Any other request
//! gets its own body back, or where it has none a line that says what was asked of whom.

use std::rc::Rc;
use std::time::Duration;

use crate::engine::{Connection, Engine, IoError, Lent, Writer, accept, flush, read};
use crate::h1::{self, BodyDecoder, BodyStep, FieldTable, HeadLimits, Parse, encode};
use crate::message::{MessageBodyLength, Method, RequestHead, StatusCode, Version, connection_options};

/// How long a client may take for the next bytes.
const PATIENCE: Duration = Duration::from_secs(75);
/// The largest body that is echoed; a longer one gets 413.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long the worker waits after descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `listener` under the name `id` for ever.
pub async fn serve<E: Engine>(engine: E, mut listener: E::Listener, id: String) {
    let id: Rc<str> = id.into();
    let mut timer = engine.handle().timer();
    loop {
        match accept(&mut listener).await {
            Ok(Some(accepted)) => {
                let connection = Server::<E>::new(&engine, accepted.connection, id.clone());
                engine.handle().spawn(connection.serve());
            }
            Ok(None) => return,
            Err(IoError::Exhausted) => timer.sleep_until(engine.handle().now() + ACCEPT_PAUSE).await,
            Err(_) => {}
        }
    }
}

struct Server<E: Engine> {
    engine: E,
    id: Rc<str>,
    reader: E::Reader,
    writer: E::Writer,
    timer: crate::engine::Timer,
    fields: FieldTable,
    /// What has come and is not used up.
    pending: Vec<u8>,
}

/// The connection is over.
struct Over;

/// What is needed of a request to answer it.
struct Asked {
    line: Vec<u8>,
    home: bool,
    heartbeat: bool,
    head_only: bool,
    persists: bool,
    expects: bool,
    body: MessageBodyLength,
}

impl<E: Engine> Server<E> {
    fn new(engine: &E, connection: Connection<E::Reader, E::Writer>, id: Rc<str>) -> Self {
        Server {
            engine: engine.clone(),
            id,
            reader: connection.reader,
            writer: connection.writer,
            timer: engine.handle().timer(),
            fields: FieldTable::new(),
            pending: Vec::new(),
        }
    }

    async fn serve(mut self) {
        while let Ok(persists) = self.serve_one().await {
            if !persists {
                self.writer.shutdown();
                return;
            }
        }
    }

    async fn serve_one(&mut self) -> Result<bool, Over> {
        let asked = match self.read_head().await? {
            Ok(asked) => asked,
            Err(status) => {
                self.answer(status, b"", false, false).await?;
                return Ok(false);
            }
        };
        if asked.expects {
            self.writer.buffer().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.flush().await?;
        }
        let Some(body) = self.read_body(asked.body).await? else {
            self.answer(StatusCode::CONTENT_TOO_LARGE, b"", false, false).await?;
            return Ok(false);
        };
        let content = self.content(&asked, body);
        self.answer(StatusCode::OK, &content, asked.head_only, asked.persists).await?;
        Ok(asked.persists)
    }

    fn content(&self, asked: &Asked, body: Vec<u8>) -> Vec<u8> {
        if asked.home {
            format!("{{\"message\":\"Hello from Server: {}\",\"status\":\"successful\"}}", self.id)
                .into_bytes()
        } else if asked.heartbeat {
            Vec::new()
        } else if matches!(asked.body, MessageBodyLength::None) {
            [self.id.as_bytes(), b": ", &asked.line, b"\n"].concat()
        } else {
            body
        }
    }

    async fn read_head(&mut self) -> Result<Result<Asked, StatusCode>, Over> {
        loop {
            match h1::parse_request(&self.pending, &mut self.fields, &HeadLimits::default()) {
                Ok(Parse::Complete { head, length }) => {
                    let asked = asked(&head);
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

    async fn answer(
        &mut self,
        status: StatusCode,
        content: &[u8],
        head_only: bool,
        persists: bool,
    ) -> Result<(), Over> {
        let out = self.writer.buffer();
        encode::status_line(out, Version::Http11, status);
        encode::field_line(out, b"Server", b"ringway-echo");
        encode::field_line(out, b"X-Replica", self.id.as_bytes());
        encode::number_field_line(out, b"Content-Length", content.len() as u64);
        if !persists {
            encode::field_line(out, b"Connection", b"close");
        }
        out.extend_from_slice(encode::HEAD_END);
        if !head_only {
            out.extend_from_slice(content);
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Over> {
        let deadline = self.engine.handle().now() + PATIENCE;
        flush(&mut self.writer, &mut self.timer, deadline).await.map_err(|_| Over)
    }
}

fn asked(head: &RequestHead<'_>) -> Result<Asked, StatusCode> {
    let body = h1::request_body_length(head).map_err(|error| error.status())?;
    let options = connection_options(&head.fields).map_err(|_| StatusCode::BAD_REQUEST)?;
    let is_get = matches!(head.method, Method::Get | Method::Head);
    Ok(Asked {
        line: [head.method_token, b" ", head.target.raw()].concat(),
        home: is_get && head.target.path() == b"/home",
        heartbeat: is_get && head.target.path() == b"/heartbeat",
        head_only: head.method == Method::Head,
        persists: h1::persists(head.version, &options),
        expects: head.fields.contains(crate::message::KnownField::Expect),
        body,
    })
}
