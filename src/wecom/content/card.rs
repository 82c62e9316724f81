//! Template cards (模板卡片): the five kinds. Their parts are in
//! `part`, `link` and `choice`.
//!
//! "Characters" in WeCom's table of cards are display widths that it advises;
//! they are not enforced, numbers of items and byte limits are.
//!
//! Source, read on 2026-11-24: <https://developer.work.weixin.qq.com/document/path/90236>

use serde::Serialize;

mod choice;
mod code;
mod link;
mod part;

pub use choice::*;
pub use code::*;
pub use link::*;
pub use part::*;

use super::{Media, MediaType, Occasion};
use crate::wecom::check::{ANY_LENGTH, Checker, Path};
use crate::wecom::id;

/// A template card of one of five kinds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "card_type", rename_all = "snake_case")]
pub enum TemplateCard {
    /// Text notice.
    TextNotice(TextNoticeCard),
    /// Notice with a picture.
    NewsNotice(NewsNoticeCard),
    /// Card with buttons.
    ButtonInteraction(ButtonInteractionCard),
    /// Card with one list of choices.
    VoteInteraction(VoteInteractionCard),
    /// Card with up to three drop-down lists.
    MultipleInteraction(MultipleInteractionCard),
}

impl TemplateCard {
    /// Checks the table of the card's kind.
    pub fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        match self {
            Self::TextNotice(card) => {
                card.check(&path.field("text_notice"), occasion, found);
            }
            Self::NewsNotice(card) => {
                card.check(&path.field("news_notice"), occasion, found);
            }
            Self::ButtonInteraction(card) => {
                card.check(&path.field("button_interaction"), occasion, found);
            }
            Self::VoteInteraction(card) => {
                card.check(&path.field("vote_interaction"), occasion, found);
            }
            Self::MultipleInteraction(card) => {
                card.check(&path.field("multiple_interaction"), occasion, found);
            }
        }
    }

    /// Whether the card has buttons of its own: not those of a menu.
    pub fn has_buttons(&self) -> bool {
        match self {
            Self::TextNotice(_) | Self::NewsNotice(_) => false,
            Self::ButtonInteraction(_)
            | Self::VoteInteraction(_)
            | Self::MultipleInteraction(_) => true,
        }
    }

    /// Takes the task id out: an update of a card sends none.
    pub(in crate::wecom) fn forget_task_id(&mut self) {
        let task_id = match self {
            Self::TextNotice(card) => &mut card.task_id,
            Self::NewsNotice(card) => &mut card.task_id,
            Self::ButtonInteraction(card) => &mut card.task_id,
            Self::VoteInteraction(card) => &mut card.task_id,
            Self::MultipleInteraction(card) => &mut card.task_id,
        };
        task_id.clear();
    }

    /// The files of the card that still are bytes, each with the type to upload it as.
    pub(in crate::wecom) fn inline_media(
        &mut self,
    ) -> impl Iterator<Item = (MediaType, &mut Media)> {
        let contents: &mut [CardHorizontalContent] = match self {
            Self::TextNotice(card) => &mut card.horizontal_contents,
            Self::NewsNotice(card) => &mut card.horizontal_contents,
            Self::ButtonInteraction(card) => &mut card.horizontal_contents,
            Self::VoteInteraction(_) | Self::MultipleInteraction(_) => &mut [],
        };
        contents
            .iter_mut()
            .filter_map(|content| content.media.as_mut())
            .filter(|media| matches!(media, Media::Inline { .. }))
            .map(|media| (MediaType::File, media))
    }
}

/// Text notice. One of `main_title.title` and `sub_title_text` must be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TextNoticeCard {
    /// Where the card comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<CardSource>,
    /// The menu in the corner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_menu: Option<CardActionMenu>,
    /// Required with `action_menu`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub task_id: String,
    /// Required unless `sub_title_text` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_title: Option<CardMainTitle>,
    /// A quotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote_area: Option<CardQuoteArea>,
    /// The large figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emphasis_content: Option<CardEmphasisContent>,
    /// Required unless `main_title.title` is set.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub_title_text: String,
    /// At most 6.
    #[serde(
        rename = "horizontal_content_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub horizontal_contents: Vec<CardHorizontalContent>,
    /// At most 3.
    #[serde(rename = "jump_list", skip_serializing_if = "Vec::is_empty")]
    pub jumps: Vec<CardJump>,
    /// Required: what a tap opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_action: Option<CardAction>,
}

impl TextNoticeCard {
    fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        check_head(path, self.source.as_ref(), self.action_menu.as_ref(), found);
        check_task_id(
            path,
            &self.task_id,
            self.action_menu.is_some(),
            occasion,
            found,
        );
        let title = path.field("main_title");
        if let Some(main_title) = &self.main_title {
            main_title.check(&title, found);
        }
        let titled = self
            .main_title
            .as_ref()
            .is_some_and(|title| !title.title.is_empty());
        if !titled && self.sub_title_text.is_empty() {
            found.add(
                &title.field("title"),
                format_args!("required unless sub_title_text is set"),
            );
        }
        if let Some(quote) = &self.quote_area {
            quote.check(&path.field("quote_area"), found);
        }
        if let Some(emphasis) = &self.emphasis_content {
            emphasis.check(&path.field("emphasis_content"), found);
        }
        let sub_title = path.field("sub_title_text");
        found.text(&sub_title, &self.sub_title_text, 0..=ANY_LENGTH);
        check_horizontal_contents(path, &self.horizontal_contents, found);
        check_jumps(path, &self.jumps, found);
        check_card_action(path, self.card_action.as_ref(), true, found);
    }
}

/// Notice with a picture. One of `card_image` and `image_text_area` must be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NewsNoticeCard {
    /// Where the card comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<CardSource>,
    /// The menu in the corner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_menu: Option<CardActionMenu>,
    /// Required with `action_menu`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub task_id: String,
    /// Required, with a title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_title: Option<CardMainTitle>,
    /// A quotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote_area: Option<CardQuoteArea>,
    /// Required unless `card_image` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_text_area: Option<CardImageTextArea>,
    /// Required unless `image_text_area` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_image: Option<CardImage>,
    /// At most 4.
    #[serde(
        rename = "vertical_content_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub vertical_contents: Vec<CardVerticalContent>,
    /// At most 6.
    #[serde(
        rename = "horizontal_content_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub horizontal_contents: Vec<CardHorizontalContent>,
    /// At most 3.
    #[serde(rename = "jump_list", skip_serializing_if = "Vec::is_empty")]
    pub jumps: Vec<CardJump>,
    /// Required: what a tap opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_action: Option<CardAction>,
}

impl NewsNoticeCard {
    fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        check_head(path, self.source.as_ref(), self.action_menu.as_ref(), found);
        check_task_id(
            path,
            &self.task_id,
            self.action_menu.is_some(),
            occasion,
            found,
        );
        check_main_title(path, self.main_title.as_ref(), found);
        if let Some(quote) = &self.quote_area {
            quote.check(&path.field("quote_area"), found);
        }
        let image = path.field("card_image");
        if self.image_text_area.is_none() && self.card_image.is_none() {
            found.add(
                &image,
                format_args!("required unless image_text_area is set"),
            );
        }
        if let Some(area) = &self.image_text_area {
            area.check(&path.field("image_text_area"), found);
        }
        if let Some(card_image) = &self.card_image {
            card_image.check(&image, found);
        }
        check_vertical_contents(path, &self.vertical_contents, found);
        check_horizontal_contents(path, &self.horizontal_contents, found);
        check_jumps(path, &self.jumps, found);
        check_card_action(path, self.card_action.as_ref(), true, found);
    }
}

/// Card with buttons.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ButtonInteractionCard {
    /// Where the card comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<CardSource>,
    /// The menu in the corner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_menu: Option<CardActionMenu>,
    /// Required.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub task_id: String,
    /// Required, with a title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_title: Option<CardMainTitle>,
    /// A quotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote_area: Option<CardQuoteArea>,
    /// The second title.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub_title_text: String,
    /// At most 6.
    #[serde(
        rename = "horizontal_content_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub horizontal_contents: Vec<CardHorizontalContent>,
    /// What a tap opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_action: Option<CardAction>,
    /// A drop-down list above the buttons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub button_selection: Option<CardSelection>,
    /// 1 to 6.
    #[serde(rename = "button_list")]
    pub buttons: Vec<CardButton>,
}

impl ButtonInteractionCard {
    fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        check_head(path, self.source.as_ref(), self.action_menu.as_ref(), found);
        check_task_id(path, &self.task_id, true, occasion, found);
        check_main_title(path, self.main_title.as_ref(), found);
        if let Some(quote) = &self.quote_area {
            quote.check(&path.field("quote_area"), found);
        }
        let sub_title = path.field("sub_title_text");
        found.text(&sub_title, &self.sub_title_text, 0..=ANY_LENGTH);
        check_horizontal_contents(path, &self.horizontal_contents, found);
        check_card_action(path, self.card_action.as_ref(), false, found);
        if let Some(selection) = &self.button_selection {
            selection.check(&path.field("button_selection"), occasion, found);
        }
        check_buttons(path, &self.buttons, found);
    }
}

/// Card with one list of choices.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VoteInteractionCard {
    /// Where the card comes from; its colour is not rendered.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "colorless")]
    pub source: Option<CardSource>,
    /// Required.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub task_id: String,
    /// Required, with a title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_title: Option<CardMainTitle>,
    /// Required: the choices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkbox: Option<CardCheckbox>,
    /// Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submit_button: Option<CardSubmitButton>,
}

impl VoteInteractionCard {
    fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        check_head(path, self.source.as_ref(), None, found);
        check_task_id(path, &self.task_id, true, occasion, found);
        check_main_title(path, self.main_title.as_ref(), found);
        let checkbox = path.field("checkbox");
        match &self.checkbox {
            Some(choices) => choices.check(&checkbox, occasion, found),
            None => found.add(&checkbox, format_args!("required")),
        }
        check_submit_button(path, self.submit_button.as_ref(), occasion, found);
    }
}

/// Card with up to three drop-down lists.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MultipleInteractionCard {
    /// Where the card comes from; its colour is not rendered.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "colorless")]
    pub source: Option<CardSource>,
    /// Required.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub task_id: String,
    /// Required, with a title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_title: Option<CardMainTitle>,
    /// 1 to 3.
    #[serde(rename = "select_list")]
    pub selections: Vec<CardSelection>,
    /// Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submit_button: Option<CardSubmitButton>,
}

impl MultipleInteractionCard {
    fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        check_head(path, self.source.as_ref(), None, found);
        check_task_id(path, &self.task_id, true, occasion, found);
        check_main_title(path, self.main_title.as_ref(), found);
        let selections = path.field("selections");
        let checked = found.list(&selections, &self.selections, 1..=CARD_SELECTIONS_MAX);
        for (index, selection) in checked.iter().enumerate() {
            selection.check(&selections.at(index), occasion, found);
        }
        found.unique(&selections, "question_key", checked, |selection| {
            &selection.question_key
        });
        check_submit_button(path, self.submit_button.as_ref(), occasion, found);
    }
}

/// An update leaves the task id as it is and sends none.
fn check_task_id(
    path: &Path<'_>,
    task_id: &str,
    required: bool,
    occasion: Occasion,
    found: &mut Checker,
) {
    let required = required && occasion != Occasion::CardUpdate;
    if required || !task_id.is_empty() {
        found.id(&path.field("task_id"), id::task_id(task_id));
    }
}

fn check_head(
    path: &Path<'_>,
    source: Option<&CardSource>,
    menu: Option<&CardActionMenu>,
    found: &mut Checker,
) {
    if let Some(source) = source {
        source.check(&path.field("source"), found);
    }
    if let Some(menu) = menu {
        menu.check(&path.field("action_menu"), found);
    }
}

fn check_main_title(path: &Path<'_>, main_title: Option<&CardMainTitle>, found: &mut Checker) {
    let title = path.field("main_title");
    if main_title.is_none_or(|main_title| main_title.title.is_empty()) {
        found.add(&title.field("title"), format_args!("required"));
    }
    if let Some(main_title) = main_title {
        main_title.check(&title, found);
    }
}

fn check_card_action(
    path: &Path<'_>,
    action: Option<&CardAction>,
    required: bool,
    found: &mut Checker,
) {
    let action_path = path.field("card_action");
    if required && action.is_none_or(|action| action.link_type.is_none()) {
        found.add(
            &action_path.field("link_type"),
            format_args!("required: a link or a mini program"),
        );
    }
    if let Some(action) = action {
        action.check(&action_path, found);
    }
}

/// WeCom lets an update leave the button out, a new card not.
fn check_submit_button(
    path: &Path<'_>,
    button: Option<&CardSubmitButton>,
    occasion: Occasion,
    found: &mut Checker,
) {
    let button_path = path.field("submit_button");
    match button {
        Some(button) => button.check(&button_path, found),
        None if occasion == Occasion::CardUpdate => {}
        None => found.add(&button_path, format_args!("required")),
    }
}
