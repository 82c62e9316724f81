//! The duplicate check (重复消息检查) of message/send.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::answer::Answer;
use super::settings::DuplicateScope;

/// Messages remembered before the outdated are swept out.
const SWEEP_AT: usize = 4096;

/// What a message is compared by.
pub(super) type Print = [u8; 32];

/// Messages sent with the check on, and their first answers.
pub(super) struct Duplicates {
    seen: HashMap<Print, (Instant, Answer)>,
    sweep_at: usize,
}

impl Duplicates {
    pub(super) fn new() -> Self {
        Self {
            seen: HashMap::new(),
            sweep_at: SWEEP_AT,
        }
    }

    /// The first answer to the same message, if its window is open. The window
    /// runs from the first send; a hit does not lengthen it.
    pub(super) fn first_answer(&self, print: &Print) -> Option<&Answer> {
        let (until, answer) = self.seen.get(print)?;
        (Instant::now() < *until).then_some(answer)
    }

    pub(super) fn remember(&mut self, print: Print, window: Duration, answer: Answer) {
        let now = Instant::now();
        if self.seen.len() >= self.sweep_at {
            self.seen.retain(|_, (until, _)| now < *until);
            self.sweep_at = self.seen.len().saturating_mul(2).max(SWEEP_AT);
        }
        self.seen.insert(print, (now + window, answer));
    }
}

/// The print of a message of one app.
pub(super) fn print(scope: DuplicateScope, agent_id: u32, raw: &[u8], body: &Value) -> Print {
    let mut hash = Sha256::new();
    hash.update(agent_id.to_be_bytes());
    match scope {
        DuplicateScope::WholeBody => hash.update(raw),
        DuplicateScope::WithoutRecipients => {
            let mut body = body.clone();
            if let Some(fields) = body.as_object_mut() {
                fields.retain(|name, _| !matches!(name.as_str(), "touser" | "toparty" | "totag"));
            }
            hash.update(body.to_string());
        }
    }
    hash.finalize().into()
}
