//! Changes cards that were sent: message/update_template_card and, for legacy
//! task cards, message/update_taskcard. Unlike a send, both name their members in
//! arrays and answer in one.
//!
//! Sources, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/94888> and
//! <https://developer.work.weixin.qq.com/document/path/91579>

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::sent::{joined_texts, spell_as};
use super::{Recipients, USER_IDS_MAX, check_user_ids};
use crate::wecom::call::{Call, Payload, Repeat};
use crate::wecom::check::{ANY_LENGTH, Checker, Path};
use crate::wecom::client::Client;
use crate::wecom::content::card::TemplateCard;
use crate::wecom::content::{Media, MediaType, Occasion, TASK_CARD_BUTTON_NAME_MAX_BYTES};
use crate::wecom::error::{Error, Result};
use crate::wecom::id;
use crate::wecom::media::Used;
use crate::wecom::violation::Violation;

/// WeCom's answer to an update: done for every member that is not in the list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Updated {
    /// Members whose card could not be changed. WeCom answers in lower case.
    #[serde(rename = "invaliduser", deserialize_with = "joined_texts")]
    pub invalid_user_ids: Vec<String>,
}

/// An update of a template card.
#[derive(Debug, Clone, PartialEq)]
pub struct CardUpdate {
    /// Whose card, and by which right.
    pub target: CardTarget,
    /// What becomes of it.
    pub change: CardChange,
    /// With [`CardChange::Replace`] only: greys out the card's buttons and shows
    /// this text. Empty: they stay.
    pub replace_text: String,
    /// With [`CardChange::Replace`] only: whether `$userName=ID$` and the like
    /// become names.
    pub translate_ids: Option<bool>,
}

/// Which card an update is for.
#[derive(Debug, Clone, PartialEq)]
pub struct CardTarget {
    /// Whose card changes.
    pub recipients: Recipients,
    /// Required: from the answer to the send or from a click; works once, within
    /// 72 hours.
    pub response_code: String,
}

/// What becomes of a template card.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one lives per request, and nobody keeps it"
)]
pub enum CardChange {
    /// The buttons are greyed out and show this text.
    GreyOut(String),
    /// Another card, of any kind, takes its place. Its task id is not sent.
    Replace(TemplateCard),
}

impl CardTarget {
    /// Checks every rule of the target.
    pub fn check(&self, path: &Path<'_>, found: &mut Checker) {
        self.recipients.check(&path.field("recipients"), found);
        let response_code = path.field("response_code");
        found.opaque(&response_code, &self.response_code, 1..=ANY_LENGTH);
    }
}

impl CardUpdate {
    /// Every broken rule of WeCom's reference, in the order of the fields.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        let root = Path::ROOT;
        self.target.check(&root, &mut found);
        match &self.change {
            CardChange::GreyOut(text) => {
                found.text(&root.field("button_text"), text, 1..=ANY_LENGTH);
            }
            CardChange::Replace(card) => {
                let path = root.field("template_card");
                card.check(&path, Occasion::CardUpdate, &mut found);
            }
        }
        let replace_text = root.field("replace_text");
        found.text(&replace_text, &self.replace_text, 0..=ANY_LENGTH);
        match &self.change {
            _ if self.replace_text.is_empty() => {}
            CardChange::GreyOut(_) => {
                found.add(&replace_text, format_args!("only with template_card"));
            }
            CardChange::Replace(card) if !card.has_buttons() => {
                found.add(
                    &replace_text,
                    format_args!("this kind of card has no buttons to show it on"),
                );
            }
            CardChange::Replace(_) => {}
        }
        if self.translate_ids.is_some() && matches!(self.change, CardChange::GreyOut(_)) {
            found.add(
                &root.field("translate_ids"),
                format_args!("only with template_card"),
            );
        }
        found.into_violations()
    }

    /// The files of the new card that still are bytes.
    pub(in crate::wecom) fn inline_media(
        &mut self,
    ) -> impl Iterator<Item = (MediaType, &mut Media)> {
        let card = match &mut self.change {
            CardChange::GreyOut(_) => None,
            CardChange::Replace(card) => Some(card),
        };
        card.into_iter().flat_map(TemplateCard::inline_media)
    }
}

/// message/update_template_card with its body.
pub struct RenderedCardUpdate {
    body: Bytes,
    user_ids: Vec<String>,
    /// The media ids that stand in the places of inline bytes.
    pub(in crate::wecom) uploads: Vec<Used>,
}

impl RenderedCardUpdate {
    /// The bytes of a checked update. Fails on media that are still inline.
    pub fn new(mut update: CardUpdate, agent_id: u32) -> Result<Self> {
        if let CardChange::Replace(card) = &mut update.change {
            card.forget_task_id();
        }
        let body = serde_json::to_vec(&CardUpdateBody::new(&update, agent_id))
            .map_err(|error| Error::Internal(format!("cannot render the update: {error}")))?;
        Ok(Self {
            body: body.into(),
            user_ids: update.target.recipients.user_ids,
            uploads: Vec::new(),
        })
    }

    /// Spells the user ids of a reply as the request did.
    pub fn spell(&self, updated: &mut Updated) {
        spell_as(&self.user_ids, updated.invalid_user_ids.iter_mut());
    }
}

impl Client {
    /// Checks an update of a template card, uploads the files in it, and sends it.
    /// Where WeCom has lost files that were uploaded earlier for the same bytes, it
    /// does so once more.
    pub async fn update_card(&self, mut update: CardUpdate, deadline: Instant) -> Result<Updated> {
        let inline = update.inline_media().next().is_some();
        let mut spare = inline.then(|| update.clone());
        loop {
            let rendered = self.prepare_card_update(update, deadline).await?;
            let error = match self.call(&rendered, deadline).await {
                Ok(mut updated) => {
                    rendered.spell(&mut updated);
                    return Ok(updated);
                }
                Err(error) => error,
            };
            let lost = self.media_was_lost(&rendered.uploads, &error).await;
            match spare.take() {
                Some(again) if lost => update = again,
                _ => return Err(error),
            }
        }
    }
}

impl Call for RenderedCardUpdate {
    const PATH: &'static str = "message/update_template_card";
    type Reply = Updated;

    /// The response code is spent by the first success: a repetition would be
    /// refused and tell nothing.
    fn repeat(&self) -> Repeat {
        Repeat::WhileUnsent
    }

    fn payload(&self) -> Payload {
        Payload::Json(self.body.clone())
    }
}

#[derive(Serialize)]
struct CardUpdateBody<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    userids: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    partyids: &'a [u32],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tagids: &'a [u32],
    #[serde(skip_serializing_if = "Option::is_none")]
    atall: Option<u8>,
    agentid: u32,
    response_code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    enable_id_trans: Option<u8>,
    #[serde(flatten)]
    change: ChangeBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum ChangeBody<'a> {
    Button {
        replace_name: &'a str,
    },
    TemplateCard {
        #[serde(flatten)]
        card: &'a TemplateCard,
        #[serde(skip_serializing_if = "str::is_empty")]
        replace_text: &'a str,
    },
}

impl<'a> CardUpdateBody<'a> {
    fn new(update: &'a CardUpdate, agent_id: u32) -> Self {
        let CardUpdate {
            target:
                CardTarget {
                    recipients,
                    response_code,
                },
            change,
            replace_text,
            translate_ids,
        } = update;
        Self {
            userids: &recipients.user_ids,
            partyids: &recipients.department_ids,
            tagids: &recipients.tag_ids,
            atall: recipients.everyone.then_some(1),
            agentid: agent_id,
            response_code,
            enable_id_trans: translate_ids.map(u8::from),
            change: match change {
                CardChange::GreyOut(text) => ChangeBody::Button { replace_name: text },
                CardChange::Replace(card) => ChangeBody::TemplateCard { card, replace_text },
            },
        }
    }
}

/// One call of message/update_taskcard, which greys out the buttons of a legacy
/// task card. The call had two spellings, one with `replace_name` and an older
/// one with `clicked_key`; which of them WeCom reads is not confirmed, and both
/// may be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskCardUpdate {
    /// 1 to 1000.
    #[serde(rename = "userids")]
    pub user_ids: Vec<String>,
    /// The app that sent the card.
    #[serde(rename = "agentid")]
    pub agent_id: u32,
    /// Required.
    pub task_id: String,
    /// Text on the buttons, at most 18 bytes. Required unless `clicked_key` is set.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub replace_name: String,
    /// Key of the button that was clicked.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub clicked_key: String,
}

impl TaskCardUpdate {
    /// Every broken rule of WeCom's reference, in the order of the fields.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        let root = Path::ROOT;
        let count = 1..=USER_IDS_MAX;
        check_user_ids(&root.field("user_ids"), &self.user_ids, count, &mut found);
        found.id(&root.field("task_id"), id::task_id(&self.task_id));
        let replace_name = root.field("replace_name");
        if self.replace_name.is_empty() && self.clicked_key.is_empty() {
            found.add(
                &replace_name,
                format_args!("required unless clicked_key is set"),
            );
        }
        let limit = TASK_CARD_BUTTON_NAME_MAX_BYTES;
        found.text(&replace_name, &self.replace_name, 0..=limit);
        if !self.clicked_key.is_empty() {
            found.id(&root.field("clicked_key"), id::task_id(&self.clicked_key));
        }
        found.into_violations()
    }

    /// Spells the user ids of a reply as the request did.
    pub fn spell(&self, updated: &mut Updated) {
        spell_as(&self.user_ids, updated.invalid_user_ids.iter_mut());
    }
}

impl Call for TaskCardUpdate {
    const PATH: &'static str = "message/update_taskcard";
    type Reply = Updated;

    /// A button that is grey stays grey.
    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::json(self)
    }
}

#[cfg(test)]
mod tests;
