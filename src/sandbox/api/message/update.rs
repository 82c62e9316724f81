//! message/update_template_card (更新模版卡片消息) and message/update_taskcard
//! (更新任务卡片).
//!
//! Sources: <https://developer.work.weixin.qq.com/document/path/94888> and
//! <https://developer.work.weixin.qq.com/document/path/91579> (read 2026-02), the
//! error codes from <https://developer.work.weixin.qq.com/document/path/90313>. Where
//! they name no errcode for a broken rule, it is 40058. They do not say what a target
//! that never got the card leads to; here it is invalid, and 82102 if all are.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::content::Sheet;
use super::super::fields::{Fields, number, object, objects, required, text};
use super::super::translate;
use super::{check_agent, fields_of};
use crate::sandbox::answer::{Answer, Refusal, Verdict};
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;
use crate::sandbox::directory::Roster;
use crate::sandbox::inbox::{Change, Message, Update};

const MAX_USERS: usize = 1000;
const MAX_PARTIES: usize = 100;
const MAX_TAGS: usize = 100;

/// Life of a response_code.
const RESPONSE_CODE_LIFE: Duration = Duration::from_secs(72 * 3600);

/// The cards with buttons of their own.
const WITH_BUTTONS: [&str; 3] = [
    "button_interaction",
    "vote_interaction",
    "multiple_interaction",
];

pub(super) fn update_template_card(corp: &mut Corp, app: usize, call: &Call) -> Answer {
    template_card(corp, app, call).unwrap_or_else(Answer::from)
}

pub(super) fn update_task_card(corp: &mut Corp, app: usize, call: &Call) -> Answer {
    task_card(corp, app, call).unwrap_or_else(Answer::from)
}

/// Checks everything; only then the response_code is spent.
fn template_card(corp: &mut Corp, app: usize, call: &Call) -> Verdict<Answer> {
    let body = fields_of(call)?;
    check_agent(corp, app, &body)?;
    let targets = Targets::parse(&body)?;
    let code = text(&body, "response_code");
    let (agent_id, now) = (corp.apps[app].agent_id, corp.clock);
    let message = corp
        .inbox
        .find(|message| message.response_code.as_deref() == Some(code))
        .ok_or_else(invalid_code)?;
    if message.agent_id != agent_id {
        return Err(Refusal::new(42015, "card of another agent"));
    }
    if message.response_code_used || message.age(now) >= RESPONSE_CODE_LIFE {
        return Err(invalid_code());
    }
    if targets.is_empty() {
        return Err(Refusal::new(82101, "no userid, partyid or tagid"));
    }
    let met = targets.met(&corp.roster, message);
    if met.user_ids.is_empty() {
        return Err(Refusal::new(82102, "not a recipient of the card"));
    }
    let card_type = message.shown.get("card_type").and_then(Value::as_str);
    let has_buttons = card_type.is_some_and(|card_type| WITH_BUTTONS.contains(&card_type));
    let mut change = match (object(&body, "button"), object(&body, "template_card")) {
        (Some(button), None) => grey_out(button, has_buttons)?,
        (None, Some(card)) => {
            let sheet = Sheet::of_replacement(&corp.apps[app], &corp.shelf);
            replacement(sheet, card)?
        }
        _ => return Err(Refusal::bad("one of button and template_card.")),
    };
    if let Change::Card(Value::Object(card)) = &mut change
        && number(&body, "enable_id_trans") == 1
    {
        translate::translate(&corp.roster, "template_card", card);
    }
    message.response_code_used = true;
    message.update(Update {
        user_ids: met.user_ids,
        change,
        time_unix_ms: now.unix_ms(),
    });
    Ok(receipt(met.invalid, corp.modes.empty_lists))
}

fn invalid_code() -> Refusal {
    Refusal::new(60140, "invalid response_code")
}

/// `button`: the buttons turn grey and show a text.
fn grey_out(button: &Fields, has_buttons: bool) -> Verdict<Change> {
    let words = "missing button.replace_name";
    let replace_name = required(button, "replace_name", 42020, words)?;
    if !has_buttons {
        return Err(Refusal::bad("button not supported by this card_type."));
    }
    Ok(Change::Buttons {
        replace_name: replace_name.to_owned(),
        clicked_key: String::new(),
    })
}

/// `template_card`: another card, of any type.
fn replacement(mut sheet: Sheet<'_>, card: &Fields) -> Verdict<Change> {
    let body = Fields::from_iter([("template_card".into(), Value::Object(card.clone()))]);
    let shown = sheet.check("template_card", &body)?;
    Ok(Change::Card(Value::Object(shown)))
}

fn task_card(corp: &mut Corp, app: usize, call: &Call) -> Verdict<Answer> {
    let body = fields_of(call)?;
    check_agent(corp, app, &body)?;
    let task_id = required(&body, "task_id", 42014, "invalid task_id")?;
    let targets = Targets {
        user_ids: strings(&body, "userids"),
        ..Targets::default()
    };
    targets.check_length()?;
    if targets.is_empty() {
        return Err(Refusal::new(40031, "invalid userid list"));
    }
    let (agent_id, now) = (corp.apps[app].agent_id, corp.clock);
    // A task_id is unique within its app: that of another app is only looked for
    // when this one has none.
    let of_task = |message: &Message| {
        message.task_id.as_deref() == Some(task_id) && message.msg_type.ends_with("taskcard")
    };
    let Some(message) = corp
        .inbox
        .find(|message| of_task(message) && message.agent_id == agent_id)
    else {
        return Err(match corp.inbox.find(of_task) {
            Some(_) => Refusal::new(42015, "card of another agent"),
            None => Refusal::new(42016, "task_id not found"),
        });
    };
    let change = clicked(&body, message)?;
    let met = targets.met(&corp.roster, message);
    if !met.user_ids.is_empty() {
        message.update(Update {
            user_ids: met.user_ids,
            change,
            time_unix_ms: now.unix_ms(),
        });
    }
    Ok(receipt(met.invalid, corp.modes.empty_lists))
}

/// `replace_name` is the newer spelling, `clicked_key` the older; either will do.
fn clicked(body: &Fields, message: &Message) -> Verdict<Change> {
    let replace_name = text(body, "replace_name");
    let clicked_key = text(body, "clicked_key");
    if replace_name.is_empty() && clicked_key.is_empty() {
        return Err(Refusal::new(42020, "missing button name"));
    }
    let card = message.shown.as_object();
    let mut buttons = card.map(|card| objects(card, "btn")).into_iter().flatten();
    if !clicked_key.is_empty() && !buttons.any(|button| text(button, "key") == clicked_key) {
        return Err(Refusal::new(42017, "button key not found"));
    }
    Ok(Change::Buttons {
        replace_name: replace_name.to_owned(),
        clicked_key: clicked_key.to_owned(),
    })
}

/// Whose card shall change, as named in the request.
#[derive(Default)]
struct Targets<'a> {
    everyone: bool,
    user_ids: Vec<&'a str>,
    party_ids: Vec<u32>,
    tag_ids: Vec<u32>,
}

/// Whose card changes.
struct Met {
    user_ids: Vec<Arc<str>>,
    /// In lower case, as WeCom answers.
    invalid: Vec<String>,
}

impl<'a> Targets<'a> {
    fn parse(body: &'a Fields) -> Verdict<Self> {
        let targets = Self {
            everyone: number(body, "atall") == 1,
            user_ids: strings(body, "userids"),
            party_ids: numbers(body, "partyids"),
            tag_ids: numbers(body, "tagids"),
        };
        targets.check_length()?;
        Ok(targets)
    }

    fn check_length(&self) -> Verdict {
        if self.user_ids.len() > MAX_USERS {
            return Err(Refusal::new(40032, "invalid userid list length"));
        }
        if self.party_ids.len() > MAX_PARTIES {
            return Err(Refusal::new(82002, "partyids list too long"));
        }
        if self.tag_ids.len() > MAX_TAGS {
            return Err(Refusal::new(82003, "tagids list too long"));
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        !self.everyone
            && self.user_ids.is_empty()
            && self.party_ids.is_empty()
            && self.tag_ids.is_empty()
    }

    /// Those of the targets who got the message.
    fn met(&self, roster: &Roster, message: &Message) -> Met {
        let delivered = message.delivered_to.iter();
        let has_it: HashSet<String> = delivered.map(|id| id.to_lowercase()).collect();
        let mut meant = HashSet::new();
        let mut invalid = Vec::new();
        for id in self.user_ids.iter().map(|id| id.to_lowercase()) {
            match has_it.contains(&id) {
                true => drop(meant.insert(id)),
                false => invalid.push(id),
            }
        }
        let parties = self.party_ids.iter().map(|&id| roster.in_department(id));
        let tags = self.tag_ids.iter().filter_map(|&id| roster.in_tag(id));
        let seats = parties.chain(tags).flatten();
        meant.extend(seats.map(|seat| roster.user_id(seat).to_lowercase()));
        let delivered = message.delivered_to.iter();
        let met = delivered.filter(|id| self.everyone || meant.contains(&id.to_lowercase()));
        Met {
            user_ids: met.cloned().collect(),
            invalid,
        }
    }
}

fn strings<'a>(body: &'a Fields, name: &str) -> Vec<&'a str> {
    let list = body.get(name).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn numbers(body: &Fields, name: &str) -> Vec<u32> {
    let list = body.get(name).and_then(Value::as_array);
    let numbers = list.into_iter().flatten().filter_map(Value::as_u64);
    numbers.filter_map(|id| u32::try_from(id).ok()).collect()
}

/// Unlike message/send, these calls answer with an array.
fn receipt(invalid: Vec<String>, empty_lists: bool) -> Answer {
    let mut fields = Map::new();
    if empty_lists || !invalid.is_empty() {
        fields.insert("invaliduser".into(), invalid.into());
    }
    Answer::ok(fields)
}
