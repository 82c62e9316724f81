//! The parts of template cards that show something.
//!
//! Source of every limit, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/90236>

use serde::{Serialize, Serializer};

use super::choice::CARD_KEY_MAX_BYTES;
use super::code::{CardHorizontalContentType, CardSourceColor};
use crate::wecom::check::{ANY_LENGTH, Checker, Path};
use crate::wecom::content::{Media, MediaType};
use crate::wecom::id;

/// Most entries of a [`CardActionMenu`].
pub const CARD_MENU_ACTIONS_MAX: usize = 3;
/// Most lines of a title and a text.
pub const CARD_VERTICAL_CONTENTS_MAX: usize = 4;
/// Most lines of a key and a value.
pub const CARD_HORIZONTAL_CONTENTS_MAX: usize = 6;
/// Least width of a picture divided by its height.
pub const CARD_IMAGE_ASPECT_RATIO_MIN: f64 = 1.3;
/// Greatest width of a picture divided by its height.
pub const CARD_IMAGE_ASPECT_RATIO_MAX: f64 = 2.25;

/// Where a card comes from, shown at its top.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardSource {
    /// Icon, 72×72 advised.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon_url: String,
    /// 20 characters advised.
    #[serde(rename = "desc", skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Colour of the description.
    #[serde(rename = "desc_color", skip_serializing_if = "Option::is_none")]
    pub color: Option<CardSourceColor>,
}

impl CardSource {
    pub(super) fn check(&self, path: &Path<'_>, found: &mut Checker) {
        found.url(&path.field("icon_url"), &self.icon_url);
        found.text(
            &path.field("description"),
            &self.description,
            0..=ANY_LENGTH,
        );
    }
}

/// Votes and choices know no colour of the source.
pub(super) fn colorless<S: Serializer>(
    source: &Option<CardSource>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Colorless<'a> {
        #[serde(skip_serializing_if = "str::is_empty")]
        icon_url: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        desc: &'a str,
    }
    let source = source.as_ref().map(|source| Colorless {
        icon_url: &source.icon_url,
        desc: &source.description,
    });
    source.serialize(serializer)
}

/// The menu in a card's upper right corner.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardActionMenu {
    /// Heading of the menu.
    #[serde(rename = "desc", skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// 1 to 3.
    #[serde(rename = "action_list")]
    pub actions: Vec<CardMenuAction>,
}

/// An entry of a [`CardActionMenu`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardMenuAction {
    /// Required.
    pub text: String,
    /// Required, unique, at most 1024 bytes; comes back in the callback.
    pub key: String,
}

impl CardActionMenu {
    pub(super) fn check(&self, path: &Path<'_>, found: &mut Checker) {
        found.text(
            &path.field("description"),
            &self.description,
            0..=ANY_LENGTH,
        );
        let actions = path.field("actions");
        let checked = found.list(&actions, &self.actions, 1..=CARD_MENU_ACTIONS_MAX);
        for (index, action) in checked.iter().enumerate() {
            let action_path = actions.at(index);
            found.text(&action_path.field("text"), &action.text, 1..=ANY_LENGTH);
            found.text(
                &action_path.field("key"),
                &action.key,
                1..=CARD_KEY_MAX_BYTES,
            );
        }
        found.unique(&actions, "key", checked, |action| &action.key);
    }
}

/// The title block of a card.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardMainTitle {
    /// Required where the card says so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The second line.
    #[serde(rename = "desc", skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl CardMainTitle {
    pub(super) fn check(&self, path: &Path<'_>, found: &mut Checker) {
        found.text(&path.field("title"), &self.title, 0..=ANY_LENGTH);
        found.text(
            &path.field("description"),
            &self.description,
            0..=ANY_LENGTH,
        );
    }
}

/// The large figure of a text notice.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardEmphasisContent {
    /// The figure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it means.
    #[serde(rename = "desc", skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl CardEmphasisContent {
    pub(super) fn check(&self, path: &Path<'_>, found: &mut Checker) {
        found.text(&path.field("title"), &self.title, 0..=ANY_LENGTH);
        found.text(
            &path.field("description"),
            &self.description,
            0..=ANY_LENGTH,
        );
    }
}

/// The large picture of a news notice.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardImage {
    /// Required.
    pub url: String,
    /// Width divided by height; 0 leaves it to WeCom, which takes 1.3.
    #[serde(skip_serializing_if = "is_zero")]
    pub aspect_ratio: f64,
}

fn is_zero(ratio: &f64) -> bool {
    *ratio == 0.0
}

impl CardImage {
    pub(super) fn check(&self, path: &Path<'_>, found: &mut Checker) {
        found.required_url(&path.field("url"), &self.url);
        let ratio = self.aspect_ratio;
        let (least, most) = (CARD_IMAGE_ASPECT_RATIO_MIN, CARD_IMAGE_ASPECT_RATIO_MAX);
        if !is_zero(&ratio) && !(least..=most).contains(&ratio) {
            found.add(
                &path.field("aspect_ratio"),
                format_args!("{ratio}, must be {least} to {most}"),
            );
        }
    }
}

/// A line of a news notice: a title and a text.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardVerticalContent {
    /// Required.
    pub title: String,
    /// Text.
    #[serde(rename = "desc", skip_serializing_if = "String::is_empty")]
    pub description: String,
}

pub(super) fn check_vertical_contents(
    card: &Path<'_>,
    contents: &[CardVerticalContent],
    found: &mut Checker,
) {
    let path = card.field("vertical_contents");
    let checked = found.list(&path, contents, 0..=CARD_VERTICAL_CONTENTS_MAX);
    for (index, content) in checked.iter().enumerate() {
        let content_path = path.at(index);
        found.text(&content_path.field("title"), &content.title, 1..=ANY_LENGTH);
        let description = content_path.field("description");
        found.text(&description, &content.description, 0..=ANY_LENGTH);
    }
}

/// A key and a value on one line.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardHorizontalContent {
    /// What the value is; text when absent.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub r#type: Option<CardHorizontalContentType>,
    /// Required.
    #[serde(rename = "keyname")]
    pub key: String,
    /// For a file its name with extension.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Required for a link.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Required for a file.
    #[serde(rename = "media_id", skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// Required for a member's details.
    #[serde(rename = "userid", skip_serializing_if = "String::is_empty")]
    pub user_id: String,
}

pub(super) fn check_horizontal_contents(
    card: &Path<'_>,
    contents: &[CardHorizontalContent],
    found: &mut Checker,
) {
    let path = card.field("horizontal_contents");
    let checked = found.list(&path, contents, 0..=CARD_HORIZONTAL_CONTENTS_MAX);
    for (index, content) in checked.iter().enumerate() {
        content.check(&path.at(index), found);
    }
}

impl CardHorizontalContent {
    fn check(&self, path: &Path<'_>, found: &mut Checker) {
        use CardHorizontalContentType::{File, Url, User};
        found.text(&path.field("key"), &self.key, 1..=ANY_LENGTH);
        found.text(&path.field("value"), &self.value, 0..=ANY_LENGTH);
        let url = path.field("url");
        match self.r#type {
            Some(Url) => found.required_url(&url, &self.url),
            _ => found.url(&url, &self.url),
        }
        let media = path.field("media");
        match &self.media {
            Some(file) => file.check(&media, MediaType::File, found),
            None if self.r#type == Some(File) => {
                found.add(&media, format_args!("required for a file"));
            }
            None => {}
        }
        if self.r#type == Some(User) || !self.user_id.is_empty() {
            found.id(&path.field("user_id"), id::user_id(&self.user_id));
        }
    }
}
