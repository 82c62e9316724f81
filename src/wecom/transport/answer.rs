//! What an exchange brings: JSON that is read whole, or a file whose bytes are still
//! to come.

use bytes::Bytes;
use reqwest::header::{CONTENT_DISPOSITION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use serde::de;
use tokio::time::{Instant, timeout_at};

use super::{Fault, decode, exchange, fault, request, whole};
use crate::wecom::call::Payload;
use crate::wecom::error::{Reason, Refusal};

/// What an exchange can bring.
pub(in crate::wecom) trait Answer: Sized + Send {
    /// Makes the exchange, until `deadline`. A refusal comes with its body.
    fn ask(
        http: &reqwest::Client,
        url: Url,
        payload: &Payload,
        deadline: Instant,
    ) -> impl Future<Output = Result<Result<Self, (Refusal, Bytes)>, Fault>> + Send;
}

/// An answer in JSON.
pub(in crate::wecom) struct Json<R>(pub(in crate::wecom) R);

impl<R: de::DeserializeOwned + Send> Answer for Json<R> {
    async fn ask(
        http: &reqwest::Client,
        url: Url,
        payload: &Payload,
        deadline: Instant,
    ) -> Result<Result<Self, (Refusal, Bytes)>, Fault> {
        let body = exchange(http, url, payload, deadline).await?;
        let reply = decode(&body).map_err(Fault::Lost)?;
        Ok(reply.map(Json).map_err(|refusal| (refusal, body)))
    }
}

/// An answer that is a file, whose bytes are still to come.
pub(in crate::wecom) struct Opened {
    response: Response,
}

impl Answer for Opened {
    async fn ask(
        http: &reqwest::Client,
        url: Url,
        payload: &Payload,
        deadline: Instant,
    ) -> Result<Result<Self, (Refusal, Bytes)>, Fault> {
        let request = request(http, url, payload)?;
        let opened = async {
            let response = http.execute(request).await.map_err(|error| fault(&error))?;
            match response.status() {
                StatusCode::OK if is_file(response.headers()) => Ok(Ok(Self { response })),
                StatusCode::OK => refusal_of(whole(response).await?),
                status => Err(Fault::Lost(Reason::HttpStatus(status.as_u16()))),
            }
        };
        match timeout_at(deadline, opened).await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::Lost(Reason::TimedOut)),
        }
    }
}

impl Opened {
    pub(in crate::wecom) fn header(&self, name: HeaderName) -> Option<&HeaderValue> {
        self.response.headers().get(name)
    }

    /// Length of the file, when WeCom says it.
    pub(in crate::wecom) fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes, until `deadline`; `None` after the last.
    pub(in crate::wecom) async fn chunk(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<Bytes>, Reason> {
        match timeout_at(deadline, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => {
                let (Fault::Unsent(reason) | Fault::Lost(reason)) = fault(&error);
                Err(reason)
            }
            Err(_) => Err(Reason::TimedOut),
        }
    }
}

/// WeCom says no with HTTP 200 and JSON, and a file may itself be JSON: what tells
/// them apart is the name that only a file has, and the errcode in a header that only
/// a refusal has.
fn is_file(headers: &HeaderMap) -> bool {
    let refused = headers
        .get("error-code")
        .is_some_and(|code| code.as_bytes() != b"0");
    !refused && headers.contains_key(CONTENT_DISPOSITION)
}

/// The refusal that an answer without a file is.
fn refusal_of<T>(body: Bytes) -> Result<Result<T, (Refusal, Bytes)>, Fault> {
    match decode::<de::IgnoredAny>(&body) {
        Ok(Err(refusal)) => Ok(Err((refusal, body))),
        Ok(Ok(_)) => Err(Fault::Lost(Reason::Garbled)),
        Err(reason) => Err(Fault::Lost(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_name_and_a_refusal_a_code() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            HeaderMap::from_iter(pairs)
        };
        let json = ("content-type", "application/json");
        let named = ("content-disposition", "attachment; filename=\"a.json\"");
        assert!(is_file(&headers(&[named])));
        assert!(is_file(&headers(&[json, named])), "a file of JSON");
        assert!(is_file(&headers(&[named, ("error-code", "0")])));
        assert!(!is_file(&headers(&[named, ("error-code", "40007")])));
        assert!(!is_file(&headers(&[json])));
        assert!(!is_file(&headers(&[])));
    }

    #[test]
    fn what_is_no_file_must_be_a_refusal() {
        let of = |body: &'static str| refusal_of::<()>(Bytes::from_static(body.as_bytes()));
        let (refusal, body) = of(r#"{"errcode":40007,"errmsg":"gone"}"#)
            .unwrap()
            .unwrap_err();
        assert_eq!(refusal.errcode, 40007);
        assert!(!body.is_empty());
        for body in ["", "<html>", "{}", r#"{"errcode":0}"#] {
            let garbled = of(body).map(|_| ()).unwrap_err();
            assert_eq!(garbled, Fault::Lost(Reason::Garbled), "{body}");
        }
    }
}
