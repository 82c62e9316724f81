//! The inbox page: one file, embedded, with nothing to fetch from elsewhere.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use http::header;

const PAGE: &str = include_str!("web/index.html");

/// Message bodies come from anyone's tests. The page escapes them; should it
/// miss one, this still keeps it from calling out.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'";

pub(super) fn routes() -> Router {
    Router::new().route("/", get(page))
}

async fn page() -> impl axum::response::IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE))
}
