//! The two JSON forms of an answer to a call: `successful` with a message, and `failure` with an error.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::control::Unheard;
use crate::control::call::CallError;

/// `{"message":...,"status":"successful"}`.
#[derive(Debug, Serialize)]
pub(super) struct Success<M> {
    message: M,
    status: &'static str,
}

impl<M: Serialize> Success<M> {
    pub(super) fn of(message: M) -> Self {
        Success { message, status: "successful" }
    }
}

impl<M: Serialize> IntoResponse for Success<M> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// The replicas of a service, as system A lists them.
#[derive(Debug, Serialize)]
pub(super) struct Replicas {
    #[serde(rename = "N")]
    count: usize,
    replicas: Vec<String>,
}

impl Replicas {
    pub(super) fn named<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let replicas: Vec<String> = names.into_iter().map(Into::into).collect();
        Replicas { count: replicas.len(), replicas }
    }
}

/// `{"message":"<Error> ...","status":"failure"}` with a status code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    /// What is wrong and what to do, without the mark in front.
    pub(super) reason: String,
    /// When the same call may be made again, where nothing was done. Any other call that is answered with 503 may have
    /// been carried out, in part at least, and whoever repeats it by rote would add replicas twice.
    retry_after_s: Option<u64>,
}

/// How long a caller should wait who found the queue full.
const RETRY_AFTER_S: u64 = 1;

impl Refused {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Refused { status, reason: reason.into(), retry_after_s: None }
    }

    /// The caller is to blame.
    pub(super) fn bad(reason: impl Into<String>) -> Self {
        Refused::new(StatusCode::BAD_REQUEST, reason)
    }
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        let status =
            if error.is_callers() { StatusCode::BAD_REQUEST } else { StatusCode::SERVICE_UNAVAILABLE };
        Refused::new(status, error.to_string())
    }
}

impl From<Unheard> for Refused {
    fn from(error: Unheard) -> Self {
        let retry_after_s = (error == Unheard::Busy).then_some(RETRY_AFTER_S);
        Refused { retry_after_s, ..Refused::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()) }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Failure {
            message: String,
            status: &'static str,
        }
        let message = format!("<Error> {}", self.reason);
        let mut response = (self.status, Json(Failure { message, status: "failure" })).into_response();
        let fields = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            fields.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
