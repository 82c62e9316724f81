//! One HTTP request, read whole.

use std::collections::HashMap;

use axum::extract::Query;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, header};

/// Prefix of every API path.
const PREFIX: &str = "/cgi-bin/";

/// A request to the API.
pub(super) struct Call {
    pub(super) method: Method,
    /// The path without `/cgi-bin/` and without the query, which may carry a secret.
    pub(super) path: String,
    pub(super) content_type: String,
    /// The header `Range`, empty without one.
    pub(super) range: String,
    pub(super) body: Bytes,
    query: HashMap<String, String>,
}

impl Call {
    pub(super) fn new(parts: &Parts, body: Bytes) -> Self {
        let query = Query::try_from_uri(&parts.uri).map(|Query(query)| query);
        let text = |name: header::HeaderName| {
            let value = parts.headers.get(name);
            let text = value.and_then(|value| value.to_str().ok());
            text.unwrap_or_default().to_owned()
        };
        Self {
            method: parts.method.clone(),
            path: short(parts.uri.path()).to_owned(),
            content_type: text(header::CONTENT_TYPE),
            range: text(header::RANGE),
            query: query.unwrap_or_default(),
            body,
        }
    }

    /// A query parameter; an empty one counts as absent.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let value = self.query.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }
}

/// `message/send` for `/cgi-bin/message/send`; other paths stay whole.
pub(super) fn short(path: &str) -> &str {
    path.strip_prefix(PREFIX).unwrap_or(path)
}
