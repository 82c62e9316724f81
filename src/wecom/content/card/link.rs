//! The parts of template cards that open a link or a mini program.
//!
//! Source of every limit, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/90236>

use serde::Serialize;

use super::code::CardLinkType;
use crate::wecom::check::{ANY_LENGTH, Checker, Path};
use crate::wecom::content::check_mini_program;

/// Most links below a card.
pub const CARD_JUMPS_MAX: usize = 3;

/// The four fields that make a link, wherever they stand.
struct Link<'a> {
    link_type: Option<CardLinkType>,
    url: &'a str,
    app_id: &'a str,
    page_path: &'a str,
}

impl Link<'_> {
    fn check(&self, path: &Path<'_>, found: &mut Checker) {
        let url = path.field("url");
        match self.link_type {
            Some(CardLinkType::Url) => found.required_url(&url, self.url),
            _ => found.url(&url, self.url),
        }
        if self.link_type == Some(CardLinkType::MiniProgram) && self.app_id.is_empty() {
            found.add(
                &path.field("app_id"),
                format_args!("required for a mini program"),
            );
        }
        check_mini_program(path, self.app_id, self.page_path, ANY_LENGTH, found);
    }
}

/// A quotation inside a card.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardQuoteArea {
    /// What a tap opens.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub link_type: Option<CardLinkType>,
    /// Required for a link.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Required for a mini program.
    #[serde(rename = "appid", skip_serializing_if = "String::is_empty")]
    pub app_id: String,
    /// Page of the mini program.
    #[serde(rename = "pagepath", skip_serializing_if = "String::is_empty")]
    pub page_path: String,
    /// Title.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The quotation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub quote_text: String,
}

impl CardQuoteArea {
    pub(super) fn check(&self, path: &Path<'_>, found: &mut Checker) {
        let Self {
            link_type,
            url,
            app_id,
            page_path,
            title,
            quote_text,
        } = self;
        Link {
            link_type: *link_type,
            url,
            app_id,
            page_path,
        }
        .check(path, found);
        found.text(&path.field("title"), title, 0..=ANY_LENGTH);
        found.text(&path.field("quote_text"), quote_text, 0..=ANY_LENGTH);
    }
}

/// Picture on the left, text on the right.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardImageTextArea {
    /// What a tap opens.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub link_type: Option<CardLinkType>,
    /// Required for a link.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Required for a mini program.
    #[serde(rename = "appid", skip_serializing_if = "String::is_empty")]
    pub app_id: String,
    /// Page of the mini program.
    #[serde(rename = "pagepath", skip_serializing_if = "String::is_empty")]
    pub page_path: String,
    /// Title.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Text.
    #[serde(rename = "desc", skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Required: the picture.
    pub image_url: String,
}

impl CardImageTextArea {
    pub(super) fn check(&self, path: &Path<'_>, found: &mut Checker) {
        let Self {
            link_type,
            url,
            app_id,
            page_path,
            title,
            description,
            image_url,
        } = self;
        Link {
            link_type: *link_type,
            url,
            app_id,
            page_path,
        }
        .check(path, found);
        found.text(&path.field("title"), title, 0..=ANY_LENGTH);
        found.text(&path.field("description"), description, 0..=ANY_LENGTH);
        found.required_url(&path.field("image_url"), image_url);
    }
}

/// A link below a card.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardJump {
    /// What a tap opens.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub link_type: Option<CardLinkType>,
    /// Required.
    pub title: String,
    /// Required for a link.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Required for a mini program.
    #[serde(rename = "appid", skip_serializing_if = "String::is_empty")]
    pub app_id: String,
    /// Page of the mini program.
    #[serde(rename = "pagepath", skip_serializing_if = "String::is_empty")]
    pub page_path: String,
}

pub(super) fn check_jumps(card: &Path<'_>, jumps: &[CardJump], found: &mut Checker) {
    let path = card.field("jumps");
    let checked = found.list(&path, jumps, 0..=CARD_JUMPS_MAX);
    for (index, jump) in checked.iter().enumerate() {
        let CardJump {
            link_type,
            title,
            url,
            app_id,
            page_path,
        } = jump;
        let jump_path = path.at(index);
        Link {
            link_type: *link_type,
            url,
            app_id,
            page_path,
        }
        .check(&jump_path, found);
        found.text(&jump_path.field("title"), title, 1..=ANY_LENGTH);
    }
}

/// What a tap on the whole card opens.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CardAction {
    /// Required, except in a card with buttons.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub link_type: Option<CardLinkType>,
    /// Required for a link.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Required for a mini program.
    #[serde(rename = "appid", skip_serializing_if = "String::is_empty")]
    pub app_id: String,
    /// Page of the mini program.
    #[serde(rename = "pagepath", skip_serializing_if = "String::is_empty")]
    pub page_path: String,
}

impl CardAction {
    pub(super) fn check(&self, path: &Path<'_>, found: &mut Checker) {
        let Self {
            link_type,
            url,
            app_id,
            page_path,
        } = self;
        Link {
            link_type: *link_type,
            url,
            app_id,
            page_path,
        }
        .check(path, found);
    }
}
