//! What the operator sees: `/status`, `/metrics`, `/healthz` and `/readyz` on the admin listener.

mod metrics;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::config::AdminToken;
use crate::control::Shared;

/// The admin interface. Where there is a token, all but `/healthz` and `/readyz` ask for it: those two are for probes,
/// which carry none, and tell nothing but a status.
pub fn router(shared: Arc<Shared>, token: Option<AdminToken>) -> Router {
    let guarded = Router::new()
        .route("/status", get(status::status))
        .route("/metrics", get(metrics::metrics))
        .route_layer(middleware::from_fn_with_state(token, authorize));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(guarded)
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is /status, /metrics, /healthz and /readyz\n") })
        .with_state(shared)
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if shared.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else {
        "ready\n".into_response()
    }
}

async fn authorize(State(token): State<Option<AdminToken>>, request: Request, next: Next) -> Response {
    let Some(token) = token else { return next.run(request).await };
    let presented = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    match presented.and_then(|value| value.strip_prefix(b"Bearer ")) {
        Some(presented) if token.matches(presented) => next.run(request).await,
        _ => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer")],
            "send the token of admin.token_file as Authorization: Bearer TOKEN\n",
        )
            .into_response(),
    }
}
