//! Taking back the messages of a job that has ended.

use tokio::time::Instant;

use super::engine::Engine;
use super::error::{Error, Result};
use crate::store::{Job, Recalls};
use crate::wecom::errcode::Class;
use crate::wecom::message::Recall;
use crate::wecom::{self, Client, Refusal};

/// Messages looked up at once.
const PAGE: u32 = 100;

impl Engine {
    /// Takes back as many messages of `job` as `deadline` allows. Fails when not one could be
    /// tried.
    pub async fn recall(&self, client: &Client, job: &Job, deadline: Instant) -> Result<Recalls> {
        if job.progress.state.is_open() {
            return Err(Error::NotFinished);
        }
        let store = self.store();
        let mut tried = false;
        loop {
            let page = store.recallable(&job.id, PAGE).await?;
            if page.is_empty() {
                return Ok(store.recalls(&job.id).await?);
            }
            for (index, message_id) in page {
                let recall = Recall { message_id };
                let refusal = match client.call(&recall, deadline).await {
                    Ok(_) => None,
                    Err(wecom::Error::Refused { refusal, .. }) if is_final(&refusal) => {
                        Some((refusal.errcode, refusal.errmsg))
                    }
                    Err(_) if tried => return Ok(store.recalls(&job.id).await?),
                    Err(error) => return Err(error.into()),
                };
                store.record_recall(&job.id, index, refusal).await?;
                tried = true;
            }
        }
    }
}

/// Whether WeCom will say the same of this message tomorrow. What an operator can mend, it
/// says of all of them.
fn is_final(refusal: &Refusal) -> bool {
    !matches!(
        refusal.class(),
        Some(Class::Precondition | Class::PermissionDenied | Class::TokenRejected | Class::Quota)
    )
}
