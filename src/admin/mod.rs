//! What the operator is answered on the admin listener: system A's `/rep`, `/add` and `/rm`, `/status`, `/metrics`,
//! `/ring/...`, `/healthz` and `/readyz`.

mod answer;
mod metrics;
mod origin;
mod ready;
mod replicas;
mod request;
pub mod ring;
pub mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use self::answer::Refused;
use self::ready::Readiness;
use crate::config::AdminToken;
use crate::control::{Calls, Shared};

/// What the answers are made from.
#[derive(Debug)]
struct Operator {
    shared: Arc<Shared>,
    calls: Calls,
    readiness: Readiness,
}

/// The admin interface. Where there is a token, all but `/healthz` and `/readyz` ask for it: those two are for probes,
/// which carry none, and tell nothing but a status.
pub fn router(shared: Arc<Shared>, calls: Calls, token: Option<AdminToken>) -> Router {
    let guarded = Router::new()
        .route("/rep", get(replicas::list))
        .route("/add", post(replicas::add))
        .route("/rm", delete(replicas::remove))
        .route("/status", get(status::status))
        .route("/ring/digest", get(ring::answer_digest))
        .route("/ring/explain", get(ring::answer_explain))
        .route("/ring/preview", get(ring::answer_preview))
        .route("/metrics", get(metrics::metrics))
        .method_not_allowed_fallback(other_method)
        .route_layer(middleware::from_fn_with_state(token, authorize));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready::ready))
        .merge(guarded)
        .method_not_allowed_fallback(other_method)
        .fallback(|| async {
            Refused::new(
                StatusCode::NOT_FOUND,
                "there is /rep, /add, /rm, /status, /metrics, /ring/digest, /ring/explain, /ring/preview, /healthz and /readyz",
            )
        })
        .with_state(Arc::new(Operator { shared, calls, readiness: Readiness::default() }))
}

async fn other_method() -> Refused {
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes the methods of the field Allow")
}

async fn authorize(State(token): State<Option<AdminToken>>, request: Request, next: Next) -> Response {
    let Some(token) = token else {
        return match origin::is_foreign(request.method(), request.headers()) {
            true => Refused::new(StatusCode::FORBIDDEN, origin::REFUSAL).into_response(),
            false => next.run(request).await,
        };
    };
    let presented = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    match presented.and_then(bearer) {
        Some(presented) if token.matches(presented) => next.run(request).await,
        _ => Refused::new(
            StatusCode::UNAUTHORIZED,
            "send the token of admin.token_file as Authorization: Bearer TOKEN",
        )
        .into_response(),
    }
}

/// The token of the scheme `Bearer`, whose name may be written in any case (RFC 9110 11.1).
fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}
