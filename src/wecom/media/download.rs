//! media/get: fetches a file piece by piece.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90254> (read 2026-11).

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::de::IgnoredAny;
use tokio::time::Instant;

use crate::wecom::call::{Call, Payload, Repeat};
use crate::wecom::check::{Checker, Path};
use crate::wecom::client::Client;
use crate::wecom::error::{Error, Reason, Result};
use crate::wecom::transport::Opened;
use crate::wecom::violation::Violation;

/// Longest id that is passed on: the gateway's own limit. WeCom's have 44 bytes.
const MEDIA_ID_MAX_BYTES: usize = 512;
/// What callers are told to wait when a file broke off.
const BROKEN_WAIT: Duration = Duration::from_secs(1);

/// media/get.
pub struct Get {
    /// Which file.
    pub media_id: String,
}

impl Get {
    /// Every broken rule.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        let path = Path::ROOT.field("media_id");
        found.opaque(&path, &self.media_id, 1..=MEDIA_ID_MAX_BYTES);
        found.into_violations()
    }
}

impl Call for Get {
    const PATH: &'static str = "media/get";
    /// A file is no JSON: this call is opened, not made.
    type Reply = IgnoredAny;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::Query(vec![("media_id", self.media_id.clone())])
    }
}

/// A file whose bytes are on their way.
pub struct Download {
    /// The name that WeCom gives it; empty without one.
    pub file_name: String,
    /// Its MIME type; empty when WeCom does not say.
    pub content_type: String,
    /// Its length, when WeCom says it.
    pub size_bytes: Option<u64>,
    opened: Opened,
    /// Longest wait for the next bytes.
    patience: Duration,
    deadline: Instant,
}

impl Client {
    /// Finds a file. What went wrong on the way is repeated until its bytes begin.
    pub async fn download(&self, get: &Get, deadline: Instant) -> Result<Download> {
        let opened = self.open(get, deadline).await?;
        let content_type = opened.header(CONTENT_TYPE);
        let disposition = opened.header(CONTENT_DISPOSITION);
        Ok(Download {
            file_name: disposition.map_or_else(String::new, |value| file_name(value.as_bytes())),
            content_type: content_type
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            size_bytes: opened.length(),
            opened,
            patience: self.call_timeout(),
            deadline,
        })
    }
}

impl Download {
    /// The next bytes; `None` after the last.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let patient = Instant::now() + self.patience;
        let path = Get::PATH;
        match self.opened.chunk(patient.min(self.deadline)).await {
            Ok(chunk) => Ok(chunk),
            Err(Reason::TimedOut) if self.deadline <= patient => {
                Err(Error::Deadline { path, sent: false })
            }
            Err(reason) => {
                tracing::warn!(api = path, "a file broke off: {reason}");
                Err(Error::Unreachable {
                    path,
                    reason,
                    retry_after: BROKEN_WAIT,
                })
            }
        }
    }
}

/// The name in `attachment; filename="…"`, which is raw UTF-8.
fn file_name(disposition: &[u8]) -> String {
    let text = String::from_utf8_lossy(disposition);
    let mut rest = &*text;
    while let Some((_, parameters)) = rest.split_once(';') {
        let parameter = parameters.trim_start();
        rest = parameters;
        let name = parameter
            .split_once('=')
            .filter(|(key, _)| key.trim_end().eq_ignore_ascii_case("filename"));
        let Some((_, value)) = name else { continue };
        let value = value.trim_start();
        return match value.strip_prefix('"') {
            // A name has no quotes, whatever is between them belongs to it.
            Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
            None => value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
        };
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_taken_as_it_stands() {
        for (disposition, expected) in [
            (r#"attachment; filename="MEDIA_ID.jpg""#, "MEDIA_ID.jpg"),
            (r#"attachment;filename="周报; 终稿.pdf""#, "周报; 终稿.pdf"),
            (
                r#"attachment; size=3; FileName = "a b.txt"; x=y"#,
                "a b.txt",
            ),
            ("attachment; filename=plain.txt; x=y", "plain.txt"),
            (r#"attachment; filename="no end"#, "no end"),
            ("attachment; filename*=utf-8''%E5%91%A8.txt", ""),
            (r#"attachment; name="filename""#, ""),
            ("attachment", ""),
            ("", ""),
        ] {
            assert_eq!(file_name(disposition.as_bytes()), expected, "{disposition}");
        }
        assert_eq!(
            file_name(b"attachment; filename=\"\xff.txt\""),
            "\u{fffd}.txt"
        );
    }

    #[test]
    fn an_id_is_there_and_not_endless() {
        let found = |id: &str| {
            let media_id = id.to_owned();
            !Get { media_id }.check().is_empty()
        };
        assert!(!found("1G6nrLmr5EC3MMb_-zK1dDdzmd0p7cNliYu9V5w7o8K0"));
        assert!(!found(&"x".repeat(512)));
        assert!(found("") && found("a b") && found("a\0") && found(&"x".repeat(513)));
    }
}
