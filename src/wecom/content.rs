//! What a message says: one struct for each kind of content, with its limits.
//!
//! Fields are named as in the gateway's contract, so that the path of a
//! violation is the contract's path; WeCom's spellings stand in the serde
//! attributes. Larger kinds have their own files: `article`, `task_card`, `card`.
//!
//! WeCom cuts several fields that are too long without a word. They are refused
//! here instead. Source of every limit, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/90236>

use serde::{Serialize, Serializer};

mod article;
pub mod card;
mod media;
mod task_card;

use super::check::{Checker, Path};
use super::id;
pub use article::*;
pub(in crate::wecom) use media::{MEDIA_MIN_BYTES, check_file_name};
pub use media::{Media, MediaType};
pub use task_card::*;

/// Longest text or Markdown, in bytes.
pub const TEXT_MAX_BYTES: usize = 2048;
/// Longest title of a video, card or article, in bytes.
pub const TITLE_MAX_BYTES: usize = 128;
/// Longest description of a video, card or article, in bytes.
pub const DESCRIPTION_MAX_BYTES: usize = 512;
/// Longest text on the button of a [`TextCard`], in characters.
pub const BUTTON_TEXT_MAX_CHARACTERS: usize = 4;
/// Most members that a [`Text`] in an app chat may mention: the gateway's own
/// limit, that of the recipients of a message. WeCom states none.
pub const MENTIONS_MAX: usize = 1000;
/// Longest id of a mini program, in bytes: the gateway's own limit.
pub const APP_ID_MAX_BYTES: usize = 128;
/// Longest page of a [`MiniProgramNotice`], in bytes.
pub const NOTICE_PAGE_MAX_BYTES: usize = 1024;
/// Fewest characters of title and description of a [`MiniProgramNotice`].
pub const NOTICE_TITLE_MIN_CHARACTERS: usize = 4;
/// Most characters of title and description of a [`MiniProgramNotice`].
pub const NOTICE_TITLE_MAX_CHARACTERS: usize = 12;
/// Most items of a [`MiniProgramNotice`].
pub const NOTICE_ITEMS_MAX: usize = 10;
/// Longest key of a [`MiniProgramNoticeItem`], in characters.
pub const NOTICE_KEY_MAX_CHARACTERS: usize = 10;
/// Longest value of a [`MiniProgramNoticeItem`], in characters.
pub const NOTICE_VALUE_MAX_CHARACTERS: usize = 30;

/// Where a content is going. The rules differ a little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A message to members: message/send.
    Message,
    /// A message in an app chat: appchat/send
    /// (<https://developer.work.weixin.qq.com/document/path/90248>).
    AppChat,
    /// A card that replaces another: message/update_template_card
    /// (<https://developer.work.weixin.qq.com/document/path/94888>).
    CardUpdate,
}

/// The content of one message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "one content lives per request, and boxes would cost the common kinds"
)]
pub enum Content {
    /// Plain text.
    Text(Text),
    /// A picture.
    Image(Image),
    /// A voice recording.
    Voice(Voice),
    /// A video.
    Video(Video),
    /// A file to download.
    File(File),
    /// A card of title, description and link.
    TextCard(TextCard),
    /// Articles that link elsewhere.
    News(News),
    /// Articles stored by WeCom.
    MpNews(MpNews),
    /// Text in WeCom's subset of Markdown.
    Markdown(Markdown),
    /// A notice that opens a mini program.
    MiniProgramNotice(MiniProgramNotice),
    /// The legacy task card.
    TaskCard(TaskCard),
    /// A template card.
    TemplateCard(card::TemplateCard),
}

impl Content {
    /// WeCom's name of the kind, which is also the key of its payload.
    pub fn msgtype(&self, task_card: TaskCardName) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Voice(_) => "voice",
            Self::Video(_) => "video",
            Self::File(_) => "file",
            Self::TextCard(_) => "textcard",
            Self::News(_) => "news",
            Self::MpNews(_) => "mpnews",
            Self::Markdown(_) => "markdown",
            Self::MiniProgramNotice(_) => "miniprogram_notice",
            Self::TaskCard(_) => task_card.msgtype(),
            Self::TemplateCard(_) => "template_card",
        }
    }

    /// The payload object. It differs from serializing the content itself only
    /// for a task card under its older name.
    pub fn payload(&self, task_card: TaskCardName) -> impl Serialize + '_ {
        Payload {
            content: self,
            task_card,
        }
    }

    /// Checks every rule of the content for the given occasion.
    pub fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        match self {
            Self::Text(text) => text.check(&path.field("text"), occasion, found),
            Self::Image(image) => {
                let media = path.field("image");
                image
                    .media
                    .check(&media.field("media"), MediaType::Image, found);
            }
            Self::Voice(voice) => {
                let media = path.field("voice");
                voice
                    .media
                    .check(&media.field("media"), MediaType::Voice, found);
            }
            Self::Video(video) => video.check(&path.field("video"), found),
            Self::File(file) => {
                let media = path.field("file");
                file.media
                    .check(&media.field("media"), MediaType::File, found);
            }
            Self::TextCard(card) => card.check(&path.field("text_card"), found),
            Self::News(news) => news.check(&path.field("news"), occasion, found),
            Self::MpNews(news) => news.check(&path.field("mp_news"), found),
            Self::Markdown(markdown) => {
                let content = path.field("markdown");
                found.text(
                    &content.field("content"),
                    &markdown.content,
                    1..=TEXT_MAX_BYTES,
                );
            }
            Self::MiniProgramNotice(notice) => {
                let notice_path = path.field("mini_program_notice");
                only_in_messages(&notice_path, occasion, found);
                notice.check(&notice_path, found);
            }
            Self::TaskCard(card) => {
                let card_path = path.field("task_card");
                only_in_messages(&card_path, occasion, found);
                card.check(&card_path, found);
            }
            Self::TemplateCard(card) => {
                let card_path = path.field("template_card");
                only_in_messages(&card_path, occasion, found);
                card.check(&card_path, occasion, found);
            }
        }
    }

    /// The media that still are bytes, each with the type to upload it as. The
    /// client replaces them by [`Media::Id`] before it renders the message.
    pub fn inline_media(&mut self) -> impl Iterator<Item = (MediaType, &mut Media)> {
        let all: Vec<(MediaType, &mut Media)> = match self {
            Self::Image(image) => vec![(MediaType::Image, &mut image.media)],
            Self::Voice(voice) => vec![(MediaType::Voice, &mut voice.media)],
            Self::Video(video) => vec![(MediaType::Video, &mut video.media)],
            Self::File(file) => vec![(MediaType::File, &mut file.media)],
            Self::MpNews(news) => {
                let thumbnails = news.articles.iter_mut();
                thumbnails
                    .map(|article| (MediaType::Image, &mut article.thumbnail))
                    .collect()
            }
            Self::TemplateCard(card) => card.inline_media().collect(),
            _ => Vec::new(),
        };
        all.into_iter()
            .filter(|(_, media)| matches!(media, Media::Inline { .. }))
    }

    /// Roughly how long the rendered payload is, for the buffer's first size.
    pub(super) fn size_hint(&self) -> usize {
        // Escapes lengthen a text a little; a card fits in the second figure.
        match self {
            Self::Text(text) => text.content.len() + text.content.len() / 8,
            Self::Markdown(markdown) => markdown.content.len() + markdown.content.len() / 8,
            _ => 1024,
        }
    }
}

fn only_in_messages(path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
    if occasion == Occasion::AppChat {
        found.add(path, format_args!("an app chat does not take this kind"));
    }
}

struct Payload<'a> {
    content: &'a Content,
    task_card: TaskCardName,
}

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.content, self.task_card) {
            (Content::TaskCard(card), TaskCardName::Taskcard) => {
                card.older_form().serialize(serializer)
            }
            (content, _) => content.serialize(serializer),
        }
    }
}

/// Plain text. `\n` breaks the line, `<a href="…">…</a>` links.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Text {
    /// Required, at most 2048 bytes.
    pub content: String,
    /// App chats only: members to mention, or `@all`.
    #[serde(rename = "mentioned_list", skip_serializing_if = "Vec::is_empty")]
    pub mentioned_user_ids: Vec<String>,
}

impl Text {
    fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        found.text(&path.field("content"), &self.content, 1..=TEXT_MAX_BYTES);
        let mentions = path.field("mentioned_user_ids");
        if occasion != Occasion::AppChat {
            if !self.mentioned_user_ids.is_empty() {
                found.add(
                    &mentions,
                    format_args!("only a message in an app chat can mention members"),
                );
            }
            return;
        }
        let ids = found.list(&mentions, &self.mentioned_user_ids, 0..=MENTIONS_MAX);
        for (index, user_id) in ids.iter().enumerate() {
            if user_id != id::EVERYONE {
                found.id(&mentions.at(index), id::user_id(user_id));
            }
        }
    }
}

/// A picture, JPG or PNG.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Image {
    /// Required.
    #[serde(rename = "media_id")]
    pub media: Media,
}

/// A voice recording, AMR, at most 60 s.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Voice {
    /// Required.
    #[serde(rename = "media_id")]
    pub media: Media,
}

/// A video, MP4.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Video {
    /// Required.
    #[serde(rename = "media_id")]
    pub media: Media,
    /// At most 128 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// At most 512 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl Video {
    fn check(&self, path: &Path<'_>, found: &mut Checker) {
        self.media
            .check(&path.field("media"), MediaType::Video, found);
        found.text(&path.field("title"), &self.title, 0..=TITLE_MAX_BYTES);
        let description = path.field("description");
        found.text(&description, &self.description, 0..=DESCRIPTION_MAX_BYTES);
    }
}

/// A file to download.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct File {
    /// Required.
    #[serde(rename = "media_id")]
    pub media: Media,
}

/// A card of title, description and link.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TextCard {
    /// Required, at most 128 bytes. (WeCom's page of today says characters, all
    /// older ones and that of app chats say bytes.)
    pub title: String,
    /// Required, at most 512 bytes.
    pub description: String,
    /// Required: where a tap leads.
    pub url: String,
    /// At most 4 characters; 详情 when empty.
    #[serde(rename = "btntxt", skip_serializing_if = "String::is_empty")]
    pub button_text: String,
}

impl TextCard {
    fn check(&self, path: &Path<'_>, found: &mut Checker) {
        found.text(&path.field("title"), &self.title, 1..=TITLE_MAX_BYTES);
        let description = path.field("description");
        found.text(&description, &self.description, 1..=DESCRIPTION_MAX_BYTES);
        found.required_url(&path.field("url"), &self.url);
        let button_text = path.field("button_text");
        found.characters(
            &button_text,
            &self.button_text,
            0..=BUTTON_TEXT_MAX_CHARACTERS,
        );
    }
}

/// Text in WeCom's subset of Markdown.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Markdown {
    /// Required, at most 2048 bytes.
    pub content: String,
}

/// A notice that opens a mini program.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MiniProgramNotice {
    /// Required: id of the mini program.
    #[serde(rename = "appid")]
    pub app_id: String,
    /// Page to open, at most 1024 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub page: String,
    /// Required, 4 to 12 characters.
    pub title: String,
    /// 4 to 12 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether the first item is shown large.
    #[serde(
        rename = "emphasis_first_item",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub emphasize_first_item: bool,
    /// At most 10.
    #[serde(rename = "content_item", skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<MiniProgramNoticeItem>,
}

/// One line of a [`MiniProgramNotice`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MiniProgramNoticeItem {
    /// At most 10 characters.
    pub key: String,
    /// At most 30 characters.
    pub value: String,
}

impl MiniProgramNotice {
    fn check(&self, path: &Path<'_>, found: &mut Checker) {
        let length = NOTICE_TITLE_MIN_CHARACTERS..=NOTICE_TITLE_MAX_CHARACTERS;
        found.opaque(&path.field("app_id"), &self.app_id, 1..=APP_ID_MAX_BYTES);
        found.text(&path.field("page"), &self.page, 0..=NOTICE_PAGE_MAX_BYTES);
        found.required_characters(&path.field("title"), &self.title, length.clone());
        found.characters(&path.field("description"), &self.description, length);
        let items = path.field("items");
        let checked = found.list(&items, &self.items, 0..=NOTICE_ITEMS_MAX);
        for (index, item) in checked.iter().enumerate() {
            item.check(&items.at(index), found);
        }
    }
}

impl MiniProgramNoticeItem {
    fn check(&self, path: &Path<'_>, found: &mut Checker) {
        if self.key.is_empty() && self.value.is_empty() {
            // WeCom drops such an item without a word.
            found.add(path, format_args!("required: a key or a value"));
        }
        found.characters(&path.field("key"), &self.key, 0..=NOTICE_KEY_MAX_CHARACTERS);
        let value = path.field("value");
        found.characters(&value, &self.value, 0..=NOTICE_VALUE_MAX_CHARACTERS);
    }
}

/// The link to a mini program inside articles and cards.
pub(super) fn check_mini_program(
    path: &Path<'_>,
    app_id: &str,
    page_path: &str,
    page_path_max_bytes: usize,
    found: &mut Checker,
) {
    found.opaque(&path.field("app_id"), app_id, 0..=APP_ID_MAX_BYTES);
    found.text(&path.field("page_path"), page_path, 0..=page_path_max_bytes);
}
