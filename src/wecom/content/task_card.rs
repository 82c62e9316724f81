//! The legacy task card (任务卡片), which WeCom replaced by template cards.
//!
//! It had two names. Launched as `taskcard`, later described as
//! `interactive_taskcard`, and now only in the hidden part of WeCom's page:
//! whether either name still works is not confirmed, so the name is a setting.
//!
//! Source, read on 2026-11-24: <https://developer.work.weixin.qq.com/document/path/90236>

use serde::{Deserialize, Serialize};

use super::{DESCRIPTION_MAX_BYTES, TITLE_MAX_BYTES};
use crate::wecom::check::{Checker, Path};
use crate::wecom::id;

/// Most buttons of a [`TaskCard`].
pub const TASK_CARD_BUTTONS_MAX: usize = 2;
/// Longest name of a [`TaskCardButton`], before and after the click, in bytes.
pub const TASK_CARD_BUTTON_NAME_MAX_BYTES: usize = 18;

/// Under which name task cards are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskCardName {
    /// The newer name, `interactive_taskcard`.
    #[default]
    InteractiveTaskcard,
    /// The older name, `taskcard`, which also takes `replace_name`.
    Taskcard,
}

impl TaskCardName {
    pub(super) fn msgtype(self) -> &'static str {
        match self {
            Self::InteractiveTaskcard => "interactive_taskcard",
            Self::Taskcard => "taskcard",
        }
    }
}

/// The legacy task card. Serializes in the form of its newer name.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TaskCard {
    /// Required, at most 128 bytes.
    pub title: String,
    /// At most 512 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where a tap leads.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Required, unique within the app.
    pub task_id: String,
    /// 1 or 2.
    #[serde(rename = "btn")]
    pub buttons: Vec<TaskCardButton>,
}

/// A button of a [`TaskCard`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TaskCardButton {
    /// Required; comes back in the callback.
    pub key: String,
    /// Required, at most 18 bytes.
    pub name: String,
    /// Text after the click; only the older form has it.
    #[serde(skip)]
    pub replace_name: String,
    /// Blue when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<TaskCardButtonColor>,
    /// Whether the name is bold.
    #[serde(rename = "is_bold", skip_serializing_if = "std::ops::Not::not")]
    pub bold: bool,
}

/// Colour of a [`TaskCardButton`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskCardButtonColor {
    /// `red`
    Red,
    /// `blue`
    Blue,
}

impl TaskCard {
    pub(super) fn check(&self, path: &Path<'_>, found: &mut Checker) {
        found.text(&path.field("title"), &self.title, 1..=TITLE_MAX_BYTES);
        let description = path.field("description");
        found.text(&description, &self.description, 0..=DESCRIPTION_MAX_BYTES);
        found.url(&path.field("url"), &self.url);
        found.id(&path.field("task_id"), id::task_id(&self.task_id));
        let buttons = path.field("buttons");
        let checked = found.list(&buttons, &self.buttons, 1..=TASK_CARD_BUTTONS_MAX);
        for (index, button) in checked.iter().enumerate() {
            button.check(&buttons.at(index), found);
        }
    }

    /// The card as the older name takes it.
    pub(super) fn older_form(&self) -> impl Serialize + '_ {
        let buttons = self.buttons.iter();
        OlderTaskCard {
            title: &self.title,
            description: &self.description,
            url: &self.url,
            task_id: &self.task_id,
            buttons: buttons
                .map(|button| OlderButton {
                    replace_name: &button.replace_name,
                    button,
                })
                .collect(),
        }
    }
}

impl TaskCardButton {
    fn check(&self, path: &Path<'_>, found: &mut Checker) {
        let limit = TASK_CARD_BUTTON_NAME_MAX_BYTES;
        found.id(&path.field("key"), id::task_id(&self.key));
        found.text(&path.field("name"), &self.name, 1..=limit);
        found.text(&path.field("replace_name"), &self.replace_name, 0..=limit);
    }
}

#[derive(Serialize)]
struct OlderTaskCard<'a> {
    title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    url: &'a str,
    task_id: &'a str,
    #[serde(rename = "btn")]
    buttons: Vec<OlderButton<'a>>,
}

#[derive(Serialize)]
struct OlderButton<'a> {
    #[serde(flatten)]
    button: &'a TaskCardButton,
    #[serde(skip_serializing_if = "str::is_empty")]
    replace_name: &'a str,
}
