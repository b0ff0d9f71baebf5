//! One connection: requests in, answers out, faults between.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::calls;
use super::world::{Engine, Fault, Starting};

/// What a call is answered with.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content: Content,
}

/// The body of an answer.
pub(super) enum Content {
    Whole(Option<Bytes>),
    Stream(mpsc::UnboundedReceiver<Bytes>),
    /// One line without an end.
    Endless,
    /// Ends the connection.
    Cut,
}

impl Answer {
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Answer { status, content: Content::Whole(Some(value.to_string().into())) }
    }

    pub(super) fn empty(status: u16) -> Self {
        Answer { status, content: Content::Whole(None) }
    }

    pub(super) fn refusal(status: u16, message: &str) -> Self {
        Answer::json(status, &json!({ "message": message }))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Stream(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
            Content::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; 64 * 1024]))))),
            Content::Cut => Poll::Ready(Some(Err(io::Error::other("cut")))),
        }
    }
}

pub(super) async fn serve(engine: Rc<Engine>, stream: UnixStream) {
    let service = service_fn(|request| answer(engine.clone(), request));
    let server = hyper::server::conn::http1::Builder::new();
    // Clients leave as they like.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(engine: Rc<Engine>, request: Request<Incoming>) -> Result<Response<Content>, Infallible> {
    let (method, target) = (request.method().to_string(), request.uri().to_string());
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let Answer { status, content } = respond(&engine, &method, &target, body).await;
    Ok(Response::builder().status(status).header("Content-Type", "application/json").body(content).unwrap())
}

async fn respond(engine: &Rc<Engine>, method: &str, target: &str, body: Value) -> Answer {
    let call = match calls::Call::read(method, target, body) {
        Ok(call) => call,
        Err(message) => return Answer::refusal(400, &message),
    };
    let line = call.line();
    let fault = {
        let mut world = engine.world.borrow_mut();
        world.calls.push(format!("{line}{}", target.find('?').map_or("", |at| &target[at..])));
        if let Err(message) = call.check_version(world.versions) {
            return Answer::refusal(400, &message);
        }
        world.fault(&line)
    };
    let _starting = line.ends_with("/start").then(|| Starting::begin(engine));
    match fault {
        None => call.perform(&mut engine.world.borrow_mut()),
        Some(Fault::Status(status, message)) => Answer::refusal(status, message),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Endless) => Answer { status: 200, content: Content::Endless },
        Some(Fault::Nonsense) => Answer { status: 200, content: Content::Whole(Some("nonsense\n".into())) },
        Some(Fault::Slow(time)) => {
            tokio::time::sleep(time).await;
            call.perform(&mut engine.world.borrow_mut())
        }
        Some(Fault::Cut) => {
            call.perform(&mut engine.world.borrow_mut());
            Answer { status: 200, content: Content::Cut }
        }
    }
}
