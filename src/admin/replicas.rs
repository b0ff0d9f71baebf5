//! `/rep`, `/add` and `/rm`: system A's calls.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Operator;
use super::answer::{Refused, Replicas, Success};
use super::request::{CallQuery, ListQuery, Order, query, service_of};
use crate::control::call::{Call, Change};

/// The longest body of a call, in bytes: room for the names of all replicas that a service may have.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

type Answer = Result<Success<Replicas>, Refused>;

/// The members of a service. They come from what the control thread published last, so that they are there while it is
/// busy.
pub(super) async fn list(State(operator): State<Arc<Operator>>, uri: Uri) -> Answer {
    let ListQuery { service } = query(&uri)?;
    let view = operator.shared.view();
    let service = service_of(&view, service.as_deref())?;
    let members = service.replicas.iter().filter(|replica| replica.member);
    Ok(Success::of(Replicas::named(members.map(|replica| &*replica.name))))
}

pub(super) async fn add(State(operator): State<Arc<Operator>>, uri: Uri, body: Body) -> Answer {
    change(&operator, &uri, body, |Order { n, names }| Change::Add { n, names }).await
}

pub(super) async fn remove(State(operator): State<Arc<Operator>>, uri: Uri, body: Body) -> Answer {
    change(&operator, &uri, body, |Order { n, names }| Change::Remove { n, names }).await
}

async fn change(operator: &Operator, uri: &Uri, body: Body, make: impl FnOnce(Order) -> Change) -> Answer {
    let CallQuery { service, wait } = query(uri)?;
    let order = Order::read(&whole(body).await?)?;
    let call = Call { service, change: make(order), wait: wait.is_some() };
    let replicas = operator.calls.make(call).await??;
    Ok(Success::of(Replicas::named(replicas)))
}

/// Reads a body that is neither too long nor too slow.
async fn whole(body: Body) -> Result<Bytes, Refused> {
    let too_long = || Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB");
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => Err(Refused::bad("the body broke off")),
        Err(_) => Err(Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {} s", BODY_TIMEOUT.as_secs()),
        )),
    }
}
