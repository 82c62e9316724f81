//! What the fuzz targets in `fuzz/` call of this room: bytes as WeCom's answer.

use serde::de::DeserializeOwned;

use super::call::Call;
use super::errmsg::MAX_TEXT_BYTES;
use super::transport::{decode, reply_in_refusal};
use super::user::{ListFull, Member};

/// Reads an answer as every call does, and holds a refusal to what callers may see of it.
pub fn answer<R: DeserializeOwned>(body: &[u8]) -> Option<R> {
    // Some calls read more from a refusal than its code.
    drop(reply_in_refusal::<R>(body));
    match decode::<R>(body).ok()? {
        Ok(reply) => Some(reply),
        Err(refusal) => {
            assert_ne!(refusal.errcode, 0);
            assert!(refusal.errmsg.len() <= MAX_TEXT_BYTES);
            let words = refusal.errmsg.split([' ', ',']);
            let address = words
                .filter(|word| word.contains('.'))
                .find(|word| word.parse::<std::net::IpAddr>().is_ok());
            assert_eq!(address, None, "our own address reaches callers");
            None
        }
    }
}

/// An answer that lists members.
pub fn members(body: &[u8]) -> Vec<Member> {
    let list = answer::<<ListFull as Call>::Reply>(body);
    list.map(|list| list.members).unwrap_or_default()
}
