//! Signatures for WeCom's JS-SDK.
//!
//! Source, read on 2026-11-24: <https://developer.work.weixin.qq.com/document/path/96909>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use super::ticket::TicketKind;
use crate::wecom::check::{Checker, Path};
use crate::wecom::violation::Violation;

/// Length of the nonce; WeCom's sample has as many.
const NONCE_LENGTH: usize = 16;

/// A page whose address is to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignPage {
    /// What the signature is for.
    pub kind: TicketKind,
    /// Required: the page's address as the browser shows it; `#` and what follows
    /// is left out.
    pub url: String,
}

impl SignPage {
    /// Every broken rule.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        found.required_url(&Path::ROOT.field("url"), &self.url);
        found.into_violations()
    }
}

/// What a page hands to `wx.config` or `wx.agentConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// SHA-1 in lower-case hexadecimal.
    pub signature: String,
    /// `nonceStr`
    pub nonce: String,
    /// `timestamp`: whole seconds since 1970.
    pub unix_seconds: u64,
}

impl Signature {
    /// Signs now, with a nonce of its own.
    pub(super) fn now(ticket: &str, url: &str) -> Self {
        let nonce: String = std::iter::repeat_with(fastrand::alphanumeric)
            .take(NONCE_LENGTH)
            .collect();
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        let unix_seconds = since.as_secs();
        Self {
            signature: sign(ticket, &nonce, unix_seconds, url),
            nonce,
            unix_seconds,
        }
    }
}

/// The order of the keys is fixed, and no value is percent-encoded.
fn sign(ticket: &str, nonce: &str, unix_seconds: u64, url: &str) -> String {
    let url = url.split_once('#').map_or(url, |(page, _)| page);
    let mut sha1 = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for part in [
        "jsapi_ticket=",
        ticket,
        "&noncestr=",
        nonce,
        "&timestamp=",
        &unix_seconds.to_string(),
        "&url=",
        url,
    ] {
        sha1.update(part.as_bytes());
    }
    hex::encode(sha1.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKET: &str =
        "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg";

    #[test]
    fn signature_is_that_of_wecoms_own_sample() {
        let sign = |url| sign(TICKET, "Wm3WZYTPz0wzccnW", 1_414_587_457, url);
        let expected = "0f9de62fce790f9a083d5c99e95740ceb90c27ed";
        assert_eq!(sign("http://mp.weixin.qq.com?params=value"), expected);
        assert_eq!(sign("http://mp.weixin.qq.com?params=value#part"), expected);
        assert_ne!(sign("http://mp.weixin.qq.com?params=valuf"), expected);
    }

    #[test]
    fn each_signature_has_a_nonce_of_its_own() {
        let one = Signature::now(TICKET, "https://oa.example.com/");
        let two = Signature::now(TICKET, "https://oa.example.com/");
        assert_ne!(one.nonce, two.nonce);
        assert_eq!(one.nonce.len(), NONCE_LENGTH);
        assert_eq!(
            one.signature,
            sign(
                TICKET,
                &one.nonce,
                one.unix_seconds,
                "https://oa.example.com/"
            )
        );
    }
}
