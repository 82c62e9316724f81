//! How WeCom answers: HTTP 200 with JSON, where errcode says the rest; or a file.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use super::witness::Delivery;

/// The caller address in errmsg: one from the block kept for documentation.
const CALLER_IP: &str = "203.0.113.7";

/// A JSON answer, and what the ledger should know of it.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) errcode: i64,
    pub(super) fields: Map<String, Value>,
    /// Whether the call took effect now.
    pub(super) accepted: bool,
    /// Whether the duplicate check swallowed it.
    pub(super) duplicate: bool,
    /// A file in the place of the JSON.
    pub(super) file: Option<File>,
    /// What became of the recipients of a message that was taken now.
    pub(super) delivery: Option<Delivery>,
}

/// A file as an answer.
#[derive(Clone)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content_type: &'static str,
    pub(super) bytes: Bytes,
    /// What `Content-Range` says, if a part was asked for.
    pub(super) range: Option<String>,
}

impl Answer {
    /// A success with these fields; `errmsg` is `ok` unless they say otherwise.
    pub(super) fn ok(mut fields: Map<String, Value>) -> Self {
        fields.insert("errcode".into(), 0.into());
        fields.entry("errmsg").or_insert_with(|| "ok".into());
        Self {
            errcode: 0,
            fields,
            accepted: true,
            duplicate: false,
            file: None,
            delivery: None,
        }
    }

    /// A file; it has no errcode.
    pub(super) fn file(file: File) -> Self {
        Self {
            file: Some(file),
            ..Self::ok(Map::new())
        }
    }

    pub(super) fn body(&self) -> Bytes {
        if let Some(file) = &self.file {
            return file.bytes.clone();
        }
        serde_json::to_vec(&self.fields).unwrap_or_default().into()
    }

    /// The answer with another body but the headers of this one.
    pub(super) fn response_with(&self, body: axum::body::Body) -> Response {
        let mut response = body.into_response();
        if let Some(file) = &self.file {
            file.describe(&mut response);
            return response;
        }
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/json; charset=UTF-8");
        headers.insert(header::CONTENT_TYPE, json);
        if self.errcode != 0 {
            headers.insert("error-code", self.errcode.into());
            let text = self.fields.get("errmsg").and_then(Value::as_str);
            // An errmsg of a test's own making may hold what a header cannot.
            if let Some(Ok(text)) = text.map(HeaderValue::try_from) {
                headers.insert("error-msg", text);
            }
        }
        response
    }
}

impl File {
    fn describe(&self, response: &mut Response) {
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static(self.content_type);
        headers.insert(header::CONTENT_TYPE, content_type);
        // The name as it came: raw UTF-8 in quotes.
        let disposition = format!("attachment; filename=\"{}\"", self.name);
        if let Ok(disposition) = HeaderValue::try_from(disposition) {
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
        let range = self.range.as_deref().map(HeaderValue::try_from);
        if let Some(Ok(range)) = range {
            headers.insert(header::CONTENT_RANGE, range);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        self.response_with(self.body().into())
    }
}

/// An errcode other than 0, its words, and fields that go with it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: i64,
    text: String,
    fields: Map<String, Value>,
}

/// What a rule says of a request.
pub(super) type Verdict<T = ()> = Result<T, Refusal>;

impl Refusal {
    pub(super) fn new(code: i64, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            fields: Map::new(),
        }
    }

    /// A value longer than its limit, where no code of its own exists.
    pub(super) fn too_long(field: &str, limit: usize) -> Self {
        Self::bad(format!("{field} exceed max length {limit}."))
    }

    /// A bad parameter, where no code of its own exists.
    pub(super) fn bad(text: impl AsRef<str>) -> Self {
        let text = format!("{} invalid Request Parameter", text.as_ref());
        Self::new(40058, text)
    }

    pub(super) fn with(mut self, fields: Map<String, Value>) -> Self {
        self.fields = fields;
        self
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let Refusal {
            code,
            text,
            mut fields,
        } = refusal;
        fields.insert("errcode".into(), code.into());
        fields.insert("errmsg".into(), with_tail(code, text).into());
        Self {
            errcode: code,
            fields,
            accepted: false,
            duplicate: false,
            file: None,
            delivery: None,
        }
    }
}

/// Adds the tail most errors carry. -1 and 40014 have been seen without one,
/// which keeps clients from parsing it.
fn with_tail(code: i64, text: String) -> String {
    if matches!(code, -1 | 40014) {
        return text;
    }
    let hint = fastrand::u64(1_700_000_000_000_000_000..);
    format!(
        "{text}, hint: [{hint}], from ip: {CALLER_IP}, \
         more info at https://open.work.weixin.qq.com/devtool/query?e={code}"
    )
}
