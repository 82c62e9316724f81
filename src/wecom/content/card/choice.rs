//! The parts of template cards that call back: buttons, lists, choices.
//!
//! Source of every limit, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/90236>

use serde::Serialize;

use super::code::{CardButtonType, CardCheckboxMode};
use crate::wecom::check::{ANY_LENGTH, Checker, Path};
use crate::wecom::content::Occasion;

/// Longest key that comes back in a callback (`key`, `question_key`), in bytes.
pub const CARD_KEY_MAX_BYTES: usize = 1024;
/// Longest id of an option, in bytes.
pub const CARD_OPTION_ID_MAX_BYTES: usize = 128;
/// Most buttons of a card.
pub const CARD_BUTTONS_MAX: usize = 6;
/// Highest style of a button.
pub const CARD_BUTTON_STYLE_MAX: u32 = 4;
/// Most options of a drop-down list.
pub const CARD_OPTIONS_MAX: usize = 10;
/// Most options of a [`CardCheckbox`].
pub const CARD_CHECKBOX_OPTIONS_MAX: usize = 20;
/// Most drop-down lists of a card.
pub const CARD_SELECTIONS_MAX: usize = 3;

/// A drop-down list.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardSelection {
    /// Required, unique in the card, at most 1024 bytes; comes back in the callback.
    pub question_key: String,
    /// The label beside the list.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The option chosen at first; WeCom takes the first one when empty or wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selected_id: String,
    /// 1 to 10.
    #[serde(rename = "option_list")]
    pub options: Vec<CardOption>,
    /// Updates only: whether the list is locked.
    #[serde(rename = "disable", skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// An option of a [`CardSelection`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardOption {
    /// Required, unique in the list, at most 128 bytes.
    pub id: String,
    /// Required.
    pub text: String,
}

impl CardSelection {
    pub(super) fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        let question_key = path.field("question_key");
        found.text(&question_key, &self.question_key, 1..=CARD_KEY_MAX_BYTES);
        found.text(&path.field("title"), &self.title, 0..=ANY_LENGTH);
        let selected_id = path.field("selected_id");
        found.text(
            &selected_id,
            &self.selected_id,
            0..=CARD_OPTION_ID_MAX_BYTES,
        );
        let options = path.field("options");
        let checked = found.list(&options, &self.options, 1..=CARD_OPTIONS_MAX);
        for (index, option) in checked.iter().enumerate() {
            check_option(&options.at(index), &option.id, &option.text, found);
        }
        found.unique(&options, "id", checked, |option| &option.id);
        check_disabled(path, self.disabled, occasion, found);
    }
}

fn check_option(path: &Path<'_>, id: &str, text: &str, found: &mut Checker) {
    found.text(&path.field("id"), id, 1..=CARD_OPTION_ID_MAX_BYTES);
    found.text(&path.field("text"), text, 1..=ANY_LENGTH);
}

fn check_disabled(path: &Path<'_>, disabled: bool, occasion: Occasion, found: &mut Checker) {
    if disabled && occasion != Occasion::CardUpdate {
        found.add(
            &path.field("disabled"),
            format_args!("only an update of a card can lock its choices"),
        );
    }
}

/// A button of a card.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardButton {
    /// What it does; calls back when absent.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub r#type: Option<CardButtonType>,
    /// Required.
    pub text: String,
    /// 1 to 4; 0 leaves it to WeCom, which takes 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub style: u32,
    /// Required unless the button opens a link; unique, at most 1024 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Required for a link.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

fn is_zero(style: &u32) -> bool {
    *style == 0
}

pub(super) fn check_buttons(card: &Path<'_>, buttons: &[CardButton], found: &mut Checker) {
    let path = card.field("buttons");
    let checked = found.list(&path, buttons, 1..=CARD_BUTTONS_MAX);
    for (index, button) in checked.iter().enumerate() {
        button.check(&path.at(index), found);
    }
    found.unique(&path, "key", checked, |button| &button.key);
}

impl CardButton {
    fn check(&self, path: &Path<'_>, found: &mut Checker) {
        found.text(&path.field("text"), &self.text, 1..=ANY_LENGTH);
        let style = self.style;
        if style > CARD_BUTTON_STYLE_MAX {
            found.add(
                &path.field("style"),
                format_args!("{style}, the highest is {CARD_BUTTON_STYLE_MAX}"),
            );
        }
        let (key, url) = (path.field("key"), path.field("url"));
        if self.r#type == Some(CardButtonType::Url) {
            found.text(&key, &self.key, 0..=CARD_KEY_MAX_BYTES);
            found.required_url(&url, &self.url);
        } else {
            found.text(&key, &self.key, 1..=CARD_KEY_MAX_BYTES);
            found.url(&url, &self.url);
        }
    }
}

/// A list of choices.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardCheckbox {
    /// Required, at most 1024 bytes; comes back in the callback.
    pub question_key: String,
    /// How many may be chosen; one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<CardCheckboxMode>,
    /// 1 to 20.
    #[serde(rename = "option_list")]
    pub options: Vec<CardCheckboxOption>,
    /// Updates only: whether the choices are locked.
    #[serde(rename = "disable", skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// An option of a [`CardCheckbox`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardCheckboxOption {
    /// Required, unique in the list, at most 128 bytes.
    pub id: String,
    /// Required.
    pub text: String,
    /// Whether it is chosen at first. Always rendered: WeCom requires it.
    #[serde(rename = "is_checked")]
    pub checked: bool,
}

impl CardCheckbox {
    pub(super) fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        let question_key = path.field("question_key");
        found.text(&question_key, &self.question_key, 1..=CARD_KEY_MAX_BYTES);
        let options = path.field("options");
        let checked = found.list(&options, &self.options, 1..=CARD_CHECKBOX_OPTIONS_MAX);
        for (index, option) in checked.iter().enumerate() {
            check_option(&options.at(index), &option.id, &option.text, found);
        }
        found.unique(&options, "id", checked, |option| &option.id);
        check_disabled(path, self.disabled, occasion, found);
    }
}

/// The button that submits a choice.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardSubmitButton {
    /// Required.
    pub text: String,
    /// Required, at most 1024 bytes; comes back in the callback.
    pub key: String,
}

impl CardSubmitButton {
    pub(super) fn check(&self, path: &Path<'_>, found: &mut Checker) {
        found.text(&path.field("text"), &self.text, 1..=ANY_LENGTH);
        found.text(&path.field("key"), &self.key, 1..=CARD_KEY_MAX_BYTES);
    }
}
