//! One HTTP exchange with WeCom: the request goes out, the answer's envelope is
//! read. Every URL here carries a secret, so no error of the HTTP library leaves
//! this file: it is reduced to a [`Reason`].

use std::error::Error as _;
use std::fs;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Response, StatusCode, Url, multipart};
use secrecy::ExposeSecret;
use serde::{Deserialize, Deserializer, de};
use tokio::time::{Instant, timeout_at};

use super::call::{File, FileData, Payload};
use super::error::{Reason, Refusal};
use super::settings::{Resolved, Settings};

mod answer;

pub(super) use answer::{Answer, Json, Opened};

/// Longest answer that is read. The largest documented answers are member lists
/// of a few hundred KiB; the bound only keeps a broken peer from filling memory.
const ANSWER_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// An exchange that brought no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing was written to the connection.
    Unsent(Reason),
    /// The request may have arrived.
    Lost(Reason),
}

/// An HTTP client for one app: its proxy, its certificate authorities, and none
/// of the habits that would carry a URL elsewhere.
pub(super) fn client(app: &Resolved, settings: &Settings) -> Result<reqwest::Client, String> {
    // Idempotent: the first provider of the process stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(settings.pool_idle_timeout)
        .pool_max_idle_per_host(settings.pool_max_idle)
        .tcp_nodelay(true);
    if let Some(proxy) = &app.proxy {
        let proxy = reqwest::Proxy::all(proxy.expose_secret())
            .map_err(|_| format!("app {:?}: `proxy` is no address", app.name))?;
        builder = builder.proxy(proxy);
    }
    if let Some(path) = &app.ca_file {
        let certificates = fs::read(path)
            .map_err(|error| error.to_string())
            .and_then(|pem| {
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| error.to_string())
            })
            .map_err(|error| {
                format!(
                    "app {:?}: cannot use ca_file {}: {error}",
                    app.name,
                    path.display()
                )
            })?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| {
        format!(
            "app {:?}: cannot set up HTTPS: {}",
            app.name,
            error.without_url()
        )
    })
}

/// Sends one request and reads the whole answer, until `deadline`.
pub(super) async fn exchange(
    http: &reqwest::Client,
    url: Url,
    payload: &Payload,
    deadline: Instant,
) -> Result<Bytes, Fault> {
    let request = request(http, url, payload)?;
    match timeout_at(deadline, round_trip(http, request)).await {
        Ok(answer) => answer,
        // How far the request got, nobody can tell.
        Err(_) => Err(Fault::Lost(Reason::TimedOut)),
    }
}

fn request(http: &reqwest::Client, mut url: Url, payload: &Payload) -> Result<Request, Fault> {
    let request = match payload {
        Payload::Query(parameters) => {
            if !parameters.is_empty() {
                url.query_pairs_mut().extend_pairs(parameters);
            }
            Request::new(Method::GET, url)
        }
        Payload::Json(body) => post(url, body),
        Payload::Raw { query, body } => {
            if !query.is_empty() {
                url.query_pairs_mut().extend_pairs(query);
            }
            match body {
                Some(body) => post(url, body),
                None => Request::new(Method::GET, url),
            }
        }
        Payload::File(file) => {
            if let Some(media_type) = file.media_type {
                url.query_pairs_mut().append_pair("type", media_type);
            }
            let form = form(file).map_err(|error| fault(&error))?;
            http.post(url)
                .multipart(form)
                .build()
                .map_err(|error| fault(&error))?
        }
    };
    Ok(request)
}

/// The file as the one part of a form. Its length is known, so the request has a
/// Content-Length, and its bytes are read as they are sent.
fn form(file: &File) -> reqwest::Result<multipart::Form> {
    let (body, length): (reqwest::Body, u64) = match &file.data {
        FileData::Memory(bytes) => (bytes.clone().into(), bytes.len() as u64),
        FileData::Disk(spooled) => (
            reqwest::Body::wrap_stream(spooled.stream()),
            spooled.length(),
        ),
    };
    // The name is written as raw UTF-8 `filename="…"`, the only form that WeCom
    // reads; the rules on names keep quotes and line breaks out of it.
    let part = multipart::Part::stream_with_length(body, length)
        .file_name(file.file_name.clone())
        .mime_str(file.content_type)?;
    Ok(multipart::Form::new()
        .percent_encode_noop()
        .part("media", part))
}

fn post(url: Url, body: &Bytes) -> Request {
    let mut request = Request::new(Method::POST, url);
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    request.headers_mut().insert(CONTENT_TYPE, json);
    *request.body_mut() = Some(body.clone().into());
    request
}

async fn round_trip(http: &reqwest::Client, request: Request) -> Result<Bytes, Fault> {
    let response = http.execute(request).await.map_err(|error| fault(&error))?;
    match response.status() {
        StatusCode::OK => whole(response).await,
        status => Err(Fault::Lost(Reason::HttpStatus(status.as_u16()))),
    }
}

/// Reads a body to its end.
async fn whole(mut response: Response) -> Result<Bytes, Fault> {
    let Some(first) = response.chunk().await.map_err(|error| fault(&error))? else {
        return Ok(Bytes::new());
    };
    let mut body = first;
    let mut rest = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
        if rest.is_empty() {
            rest.extend_from_slice(&body);
        }
        rest.extend_from_slice(&chunk);
        if rest.len() > ANSWER_LIMIT_BYTES {
            return Err(Fault::Lost(Reason::TooLarge));
        }
    }
    if !rest.is_empty() {
        body = rest.freeze();
    }
    Ok(body)
}

fn fault(error: &reqwest::Error) -> Fault {
    if error.is_dns() {
        return Fault::Unsent(Reason::NameNotFound);
    }
    if error.is_connect() || was_cancelled_before_writing(error) {
        return Fault::Unsent(Reason::ConnectFailed);
    }
    if error.is_timeout() {
        return Fault::Lost(Reason::TimedOut);
    }
    Fault::Lost(Reason::ConnectionLost)
}

/// Hyper says `canceled` when a request never left its queue, as when a kept
/// connection was closed under it.
fn was_cancelled_before_writing(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_canceled)
        {
            return true;
        }
        source = cause.source();
    }
    false
}

/// The two fields that every answer may have. Absent `errcode` means success.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default, deserialize_with = "number_or_string")]
    errcode: i64,
    #[serde(default, borrow)]
    errmsg: std::borrow::Cow<'a, str>,
}

/// Reads an answer: the reply, WeCom's refusal, or nothing of sense.
pub(super) fn decode<R: de::DeserializeOwned>(body: &[u8]) -> Result<Result<R, Refusal>, Reason> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|_| Reason::Garbled)?;
    if envelope.errcode != 0 {
        return Ok(Err(Refusal::new(envelope.errcode, &envelope.errmsg)));
    }
    serde_json::from_slice(body)
        .map(Ok)
        .map_err(|_| Reason::Garbled)
}

/// The reply fields of an answer that is a refusal.
pub(super) fn reply_in_refusal<R: de::DeserializeOwned>(body: &[u8]) -> Option<R> {
    serde_json::from_slice(body).ok()
}

/// WeCom's numbers have been seen as strings.
pub(super) fn number_or_string<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<'a> {
        Number(i64),
        Text(std::borrow::Cow<'a, str>),
    }
    match Either::deserialize(from)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.trim().parse().map_err(de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Reply {
        msgid: Option<String>,
    }

    #[test]
    fn success_is_errcode_zero_or_absent() {
        for body in [r#"{"errcode":0,"errmsg":"ok"}"#, r#"{"errcode":"0"}"#, "{}"] {
            assert!(
                decode::<Reply>(body.as_bytes())
                    .unwrap()
                    .unwrap()
                    .msgid
                    .is_none(),
                "{body}"
            );
        }
    }

    #[test]
    fn a_refusal_keeps_code_and_words_and_drops_the_address() {
        let body = br#"{"ip_list":[],"errcode":40014,"errmsg":"bad token, hint: [17_x], from ip: 203.0.113.7, more info at https://example.com/?e=40014"}"#;
        let refusal = decode::<Reply>(body).unwrap().unwrap_err();
        assert_eq!(
            (refusal.errcode, refusal.errmsg.as_str()),
            (40014, "bad token")
        );
        assert_eq!(refusal.refused_ip, None);
    }

    #[test]
    fn what_is_no_json_object_is_garbled() {
        for body in ["", "<html>", "{\"errcode\":", "[]", "null"] {
            assert_eq!(
                decode::<Reply>(body.as_bytes()).unwrap_err(),
                Reason::Garbled,
                "{body}"
            );
        }
    }
}
