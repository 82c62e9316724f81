//! Who is in which chat, as far as the app's client knows: the limits of chats are
//! counted for each member.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::time::{Instant, timeout_at};

use super::{Get, Update};
use crate::wecom::call::Call;
use crate::wecom::client::Client;
use crate::wecom::error::{Error, Result};
use crate::wecom::id::Caseless;

/// How long the members of a chat are believed. People join and leave in WeCom's
/// own clients too, of which nobody tells.
const LIFE: Duration = Duration::from_secs(600);
/// Members kept for each app, over all chats; at some 50 bytes each, 10 MB.
const MOST_MEMBERS: u64 = 200_000;

/// The members of the chats of one app.
pub(in crate::wecom) struct KnownChats(Cache<String, Arc<[String]>>);

impl KnownChats {
    pub(in crate::wecom) fn new() -> Self {
        Self(
            Cache::builder()
                .weigher(|_, members: &Arc<[String]>| {
                    u32::try_from(members.len() + 1).unwrap_or(u32::MAX)
                })
                .max_capacity(MOST_MEMBERS)
                .time_to_live(LIFE)
                .build(),
        )
    }

    /// These are the members of a chat.
    pub(super) async fn learn(&self, chat_id: &str, members: &[String]) {
        self.0.insert(chat_id.to_owned(), members.into()).await;
    }

    /// A chat was changed.
    pub(super) async fn change(&self, update: &Update) {
        let Some(members) = self.0.get(&update.chat_id).await else {
            return;
        };
        let removed: HashSet<_> = update
            .remove_user_ids
            .iter()
            .map(|id| Caseless(id))
            .collect();
        let mut seen = HashSet::new();
        let changed: Vec<String> = members
            .iter()
            .chain(&update.add_user_ids)
            .filter(|id| !removed.contains(&Caseless(id)) && seen.insert(Caseless(id)))
            .cloned()
            .collect();
        self.learn(&update.chat_id, &changed).await;
    }

    /// Nobody knows who is in the chat now.
    pub(super) async fn forget(&self, chat_id: &str) {
        self.0.invalidate(chat_id).await;
    }

    /// The members of a chat, asked of WeCom when they are not known. All who wait
    /// for one chat share one call.
    pub(super) async fn members(
        &self,
        client: &Client,
        chat_id: &str,
        deadline: Instant,
    ) -> Result<Arc<[String]>> {
        let get = Get {
            chat_id: chat_id.to_owned(),
        };
        let late = Error::Deadline {
            path: Get::PATH,
            sent: false,
        };
        loop {
            let asked = self.0.try_get_with_by_ref(chat_id, async {
                let got = client.call(&get, deadline).await?;
                Ok::<Arc<[String]>, Error>(got.chat.user_ids.into())
            });
            let Ok(answer) = timeout_at(deadline, asked).await else {
                return Err(late);
            };
            match answer.map_err(|error: Arc<Error>| (*error).clone()) {
                // The deadline of another who asked first: ask again by our own.
                Err(Error::Deadline { .. }) if Instant::now() < deadline => {}
                members => return members,
            }
        }
    }
}
