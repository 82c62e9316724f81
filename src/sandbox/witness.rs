//! The ledger file: what was sent, to whom, kept apart from the gateway that is killed meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::call::Call;
use super::clock::Clock;
use super::inbox::texts;
use super::ledger::Answered;

/// What became of the recipients of a message.
#[derive(Clone, Default)]
pub(super) struct Delivery {
    pub(super) delivered: Vec<Arc<str>>,
    /// Members for whom the app was over its limit.
    pub(super) dropped: Vec<Arc<str>>,
    pub(super) unlicensed: Vec<Arc<str>>,
    pub(super) invalid: Vec<String>,
}

/// An append-only file with a line for each message/send.
pub(super) struct Witness(Mutex<File>);

/// One line of it.
#[derive(Serialize)]
struct Line<'a> {
    unix_ms: u64,
    /// SHA-256 of the body, and of the body without `touser`.
    sha256: String,
    rest_sha256: String,
    /// The errcode that was sent, if JSON was sent.
    errcode: Option<i64>,
    /// Whether the message was taken now, whatever the answer said.
    accepted: bool,
    duplicate: bool,
    fault: Option<&'static str>,
    /// What a text says.
    text: Option<&'a str>,
    delivered: Vec<&'a str>,
    dropped: Vec<&'a str>,
    unlicensed: Vec<&'a str>,
    invalid: &'a [String],
}

impl Witness {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Adds the line of a call. It is with the kernel when this returns.
    pub(super) fn note(
        &self,
        clock: &Clock,
        call: &Call,
        answered: &Answered,
        delivery: &Delivery,
    ) -> io::Result<()> {
        let mut rest: Map<String, Value> = serde_json::from_slice(&call.body).unwrap_or_default();
        rest.remove("touser");
        let line = Line {
            unix_ms: clock.unix_ms(),
            sha256: hex::encode(Sha256::digest(&call.body)),
            rest_sha256: hex::encode(Sha256::digest(serde_json::to_vec(&rest)?)),
            errcode: answered.errcode,
            accepted: answered.accepted,
            duplicate: answered.duplicate,
            fault: answered.fault,
            text: rest.get("text").and_then(|text| text["content"].as_str()),
            delivered: texts(&delivery.delivered),
            dropped: texts(&delivery.dropped),
            unlicensed: texts(&delivery.unlicensed),
            invalid: &delivery.invalid,
        };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line)
    }
}
