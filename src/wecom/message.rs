//! Messages to members (应用消息): what a send is, its rules, its bytes. The
//! answer is in `sent`; what can be done to a message afterwards in `recall`,
//! `update` and `statistics`.
//!
//! Source, read on 2026-11-24: <https://developer.work.weixin.qq.com/document/path/90236>

use std::collections::HashSet;
use std::fmt;
use std::ops::RangeInclusive;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::check::{Checker, Path};
use super::content::{Content, Media, Occasion, TaskCardName};
use super::id::{self, Caseless};
use super::violation::Violation;

mod recall;
mod rendered;
mod sent;
mod statistics;
mod update;

pub use recall::Recall;
pub use rendered::{Rendered, is_by_one_recipient};
pub use sent::Sent;
pub use statistics::{AppStatistics, Day, GetStatistics, Statistics};
pub use update::{CardChange, CardTarget, CardUpdate, RenderedCardUpdate, TaskCardUpdate, Updated};

/// Most members of one call.
pub const USER_IDS_MAX: usize = 1000;
/// Most departments (部门) of one call.
pub const DEPARTMENT_IDS_MAX: usize = 100;
/// Most tags (标签) of one call.
pub const TAG_IDS_MAX: usize = 100;
/// Longest interval of the duplicate check, in seconds: 4 hours.
pub const DUPLICATE_CHECK_INTERVAL_MAX_SECONDS: u32 = 14_400;
/// Formats that may be sent as a confidential file, by their extensions.
pub const CONFIDENTIAL_FILE_EXTENSIONS: [&str; 14] = [
    "txt", "pdf", "doc", "docx", "ppt", "pptx", "xls", "xlsx", "xml", "jpg", "jpeg", "png", "bmp",
    "gif",
];

/// Lists shorter than this are compared pair by pair, without a hash table.
const PAIRWISE_MAX: usize = 16;

/// Who gets a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipients {
    /// Members, at most 1000.
    pub user_ids: Vec<String>,
    /// Departments, at most 100.
    pub department_ids: Vec<u32>,
    /// Tags, at most 100.
    pub tag_ids: Vec<u32>,
    /// Everyone in the app's visible range; excludes the lists.
    pub everyone: bool,
}

impl Recipients {
    /// Checks every rule of the lists.
    pub fn check(&self, path: &Path<'_>, found: &mut Checker) {
        let listed = !self.user_ids.is_empty()
            || !self.department_ids.is_empty()
            || !self.tag_ids.is_empty();
        match (self.everyone, listed) {
            // WeCom would ignore the lists: better to ask what was meant.
            (true, true) => found.add(
                &path.field("everyone"),
                format_args!("excludes user_ids, department_ids and tag_ids"),
            ),
            (false, false) => found.add(
                path,
                format_args!("required: a member, a department, a tag or everyone"),
            ),
            _ => {}
        }
        let count = 0..=USER_IDS_MAX;
        check_user_ids(&path.field("user_ids"), &self.user_ids, count, found);
        let departments = path.field("department_ids");
        check_numbers(
            &departments,
            &self.department_ids,
            DEPARTMENT_IDS_MAX,
            found,
        );
        check_numbers(&path.field("tag_ids"), &self.tag_ids, TAG_IDS_MAX, found);
    }
}

/// Checks that there are `count` user ids, each well formed and named once.
pub(super) fn check_user_ids(
    path: &Path<'_>,
    user_ids: &[String],
    count: RangeInclusive<usize>,
    found: &mut Checker,
) {
    let user_ids = found.list(path, user_ids, count);
    for (index, user_id) in user_ids.iter().enumerate() {
        found.id(&path.at(index), id::user_id(user_id));
    }
    if user_ids.len() <= PAIRWISE_MAX {
        for (index, user_id) in user_ids.iter().enumerate() {
            let before = &user_ids[..index];
            if before
                .iter()
                .any(|other| Caseless(other) == Caseless(user_id))
            {
                repeated_user_id(&path.at(index), found);
            }
        }
        return;
    }
    let mut seen = HashSet::with_capacity(user_ids.len());
    for (index, user_id) in user_ids.iter().enumerate() {
        if !seen.insert(Caseless(user_id)) {
            repeated_user_id(&path.at(index), found);
        }
    }
}

fn repeated_user_id(path: &Path<'_>, found: &mut Checker) {
    found.add(
        path,
        format_args!("named before; upper and lower case are the same member"),
    );
}

fn check_numbers(path: &Path<'_>, numbers: &[u32], limit: usize, found: &mut Checker) {
    let numbers = found.list(path, numbers, 0..=limit);
    for (index, number) in numbers.iter().enumerate() {
        if *number == 0 {
            found.add(&path.at(index), format_args!("0 is not an id"));
        } else if numbers[..index].contains(number) {
            found.add(&path.at(index), format_args!("named before"));
        }
    }
}

/// Whether a message may be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Safe {
    /// 0: may be shared.
    Off = 0,
    /// 1: confidential.
    On = 1,
    /// 2: may be shared inside the corp only.
    Internal = 2,
}

/// The switch with which WeCom drops a message whose request body it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DuplicateCheck {
    /// Whether the check is on.
    pub enabled: bool,
    /// 1 to 14400; WeCom takes 1800 when absent. Means nothing unless enabled.
    pub interval_seconds: Option<u32>,
}

/// One call of message/send.
#[derive(Debug, Clone, PartialEq)]
pub struct Send {
    /// Who gets it.
    pub recipients: Recipients,
    /// What it says.
    pub content: Content,
    /// Whether it may be forwarded; left to WeCom when absent.
    pub safe: Option<Safe>,
    /// Whether `$userName=ID$` and the like become names.
    pub translate_ids: Option<bool>,
    /// WeCom's duplicate check.
    pub duplicate_check: Option<DuplicateCheck>,
}

impl Send {
    /// Every broken rule of WeCom's reference, in the order of the fields. A
    /// valid text allocates nothing here.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Checker::default();
        let recipients = Path::ROOT.field("recipients");
        self.recipients.check(&recipients, &mut found);
        if self.recipients.everyone && matches!(self.content, Content::MiniProgramNotice(_)) {
            found.add(
                &recipients.field("everyone"),
                format_args!("a MiniProgramNotice cannot go to everyone"),
            );
        }
        self.check_message(
            &Path::ROOT.field("content"),
            &Path::ROOT.field("safe"),
            &Path::ROOT.field("translate_ids"),
            &mut found,
        );
        if let Some(check) = &self.duplicate_check {
            check.check(&Path::ROOT.field("duplicate_check"), &mut found);
        }
        found.into_violations()
    }

    /// Checks what the message says, wherever its parts were written.
    pub fn check_message(
        &self,
        content: &Path<'_>,
        safe: &Path<'_>,
        translate_ids: &Path<'_>,
        found: &mut Checker,
    ) {
        self.content.check(content, Occasion::Message, found);
        if let Some(its_safe) = self.safe {
            check_safe(safe, its_safe, &self.content, Occasion::Message, found);
        }
        if self.translate_ids.is_some() && !takes_translate_ids(&self.content) {
            found.add(translate_ids, format_args!("not for this kind of content"));
        }
    }

    /// A copy, if media stand in the message as bytes: enough to upload them again.
    /// The bytes are shared.
    pub fn spare(&mut self) -> Option<Self> {
        let inline = self.content.inline_media().next().is_some();
        inline.then(|| self.clone())
    }

    /// The request body: the same send gives the same bytes, as the duplicate
    /// check demands. `touser` comes first. Fails on media that are still inline.
    pub fn body(
        &self,
        agent_id: u32,
        task_card: TaskCardName,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let mut body = Vec::with_capacity(self.size_hint());
        let mut serializer = serde_json::Serializer::new(&mut body);
        let mut map = serializer.serialize_map(None)?;
        let msgtype = self.content.msgtype(task_card);
        self.recipients.render(&mut map)?;
        map.serialize_entry("msgtype", msgtype)?;
        map.serialize_entry("agentid", &agent_id)?;
        map.serialize_entry(msgtype, &self.content.payload(task_card))?;
        if let Some(safe) = self.safe {
            map.serialize_entry("safe", &(safe as u8))?;
        }
        if let Some(translate) = self.translate_ids {
            map.serialize_entry("enable_id_trans", &u8::from(translate))?;
        }
        if let Some(check) = self.duplicate_check {
            map.serialize_entry("enable_duplicate_check", &u8::from(check.enabled))?;
            if let Some(seconds) = check.interval_seconds {
                map.serialize_entry("duplicate_check_interval", &seconds)?;
            }
        }
        map.end()?;
        Ok(body)
    }

    fn size_hint(&self) -> usize {
        // Keys and switches take about 200 bytes, a number at most 11.
        let recipients = &self.recipients;
        let users: usize = recipients.user_ids.iter().map(|id| id.len() + 1).sum();
        let numbers = recipients.department_ids.len() + recipients.tag_ids.len();
        256 + users + 11 * numbers + self.content.size_hint()
    }
}

impl Recipients {
    fn render<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        if self.everyone {
            return map.serialize_entry("touser", id::EVERYONE);
        }
        if !self.user_ids.is_empty() {
            map.serialize_entry("touser", &Joined(&self.user_ids))?;
        }
        if !self.department_ids.is_empty() {
            map.serialize_entry("toparty", &Joined(&self.department_ids))?;
        }
        if !self.tag_ids.is_empty() {
            map.serialize_entry("totag", &Joined(&self.tag_ids))?;
        }
        Ok(())
    }
}

/// A list as WeCom writes it: joined by `|`, without blanks.
struct Joined<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Joined<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("|")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

impl<T: fmt::Display> Serialize for Joined<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which kinds take which values of `safe`: the tables of the sources, and what
/// they do not list is refused (WeCom answers 40074 for news).
pub(super) fn check_safe(
    path: &Path<'_>,
    safe: Safe,
    content: &Content,
    occasion: Occasion,
    found: &mut Checker,
) {
    let in_chat = occasion == Occasion::AppChat;
    match content {
        Content::MpNews(_) if !in_chat => {}
        Content::MpNews(_)
        | Content::Text(_)
        | Content::Image(_)
        | Content::Video(_)
        | Content::File(_) => match safe {
            Safe::Off | Safe::On => {}
            Safe::Internal if in_chat => {
                found.add(path, format_args!("an app chat takes no SAFE_INTERNAL"));
            }
            Safe::Internal => found.add(path, format_args!("SAFE_INTERNAL is for MpNews only")),
        },
        // WeCom's samples for chats have `"safe": 0` here, though its tables do not.
        Content::TextCard(_) | Content::News(_) if in_chat && safe == Safe::Off => {}
        _ => found.add(path, format_args!("not for this kind of content")),
    }
    if let (Safe::On, Content::File(file)) = (safe, content)
        && let Media::Inline { file_name, .. } = &file.media
        && !may_be_confidential(file_name)
    {
        let extensions = CONFIDENTIAL_FILE_EXTENSIONS.join(", ");
        found.add(
            path,
            format_args!("a confidential file must be one of {extensions}"),
        );
    }
}

fn may_be_confidential(file_name: &str) -> bool {
    let Some((_, extension)) = file_name.rsplit_once('.') else {
        return false;
    };
    CONFIDENTIAL_FILE_EXTENSIONS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension))
}

fn takes_translate_ids(content: &Content) -> bool {
    match content {
        Content::Text(_)
        | Content::TextCard(_)
        | Content::News(_)
        | Content::MpNews(_)
        | Content::MiniProgramNotice(_)
        | Content::TaskCard(_)
        | Content::TemplateCard(_) => true,
        Content::Image(_)
        | Content::Voice(_)
        | Content::Video(_)
        | Content::File(_)
        | Content::Markdown(_) => false,
    }
}

impl DuplicateCheck {
    fn check(&self, path: &Path<'_>, found: &mut Checker) {
        let limit = DUPLICATE_CHECK_INTERVAL_MAX_SECONDS;
        if let Some(seconds) = self.interval_seconds
            && !(1..=limit).contains(&seconds)
        {
            found.add(
                &path.field("interval"),
                format_args!("{seconds} s, must be 1 s to {limit} s"),
            );
        }
    }
}

#[cfg(test)]
mod tests;
