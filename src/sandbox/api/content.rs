//! The content of each message type: what must be there, what is too long and
//! what is cut.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90236> (read 2026-02).
//! Where no page names the errcode of a broken rule, it is 40058, the code for
//! bad parameters at large.

use super::card;
use super::fields::{
    Fields, bounded, cut_bytes, cut_chars, number, object, objects, required, text,
};
use crate::sandbox::answer::{Refusal, Verdict};
use crate::sandbox::media::{Kind, Shelf};
use crate::sandbox::settings::App;

/// Every msgtype of message/send. The first two names of the task card are one
/// thing; whether WeCom still takes either is not known.
pub(super) const TYPES: [&str; 13] = [
    "taskcard",
    "interactive_taskcard",
    "text",
    "image",
    "voice",
    "video",
    "file",
    "textcard",
    "news",
    "mpnews",
    "markdown",
    "miniprogram_notice",
    "template_card",
];

const MAX_TEXT: usize = 2048;
const MAX_TITLE: usize = 128;
const MAX_DESCRIPTION: usize = 512;
const MAX_URL: usize = 2048;
/// Characters on the button of a textcard.
const MAX_BUTTON_CHARS: usize = 4;
const MAX_ARTICLES: usize = 8;
const MAX_PAGE_PATH: usize = 128;
const MAX_AUTHOR: usize = 64;
/// HTML of one mpnews article: 666 KB.
const MAX_ARTICLE: usize = 666 * 1024;
/// Page of a miniprogram_notice.
const MAX_PAGE: usize = 1024;
const MAX_ITEMS: usize = 10;
const MAX_ITEM_KEY_CHARS: usize = 10;
const MAX_ITEM_VALUE_CHARS: usize = 30;
/// Title and description of a miniprogram_notice: 4 to 12 Chinese characters;
/// counted as columns, of which ASCII takes one and the rest two.
const MIN_NOTICE_CHARS: usize = 4;
const MAX_NOTICE_COLUMNS: usize = 24;
const MAX_TASK_BUTTONS: usize = 2;
const MAX_TASK_BUTTON_NAME: usize = 18;
const MAX_TASK_ID: usize = 128;

/// What is learnt about one message while it is checked.
pub(super) struct Sheet<'a> {
    pub(super) app: &'a App,
    shelf: &'a Shelf,
    /// The fields that were cut, as paths.
    pub(super) cut: Vec<String>,
    pub(super) task_id: Option<String>,
    /// Whether the card takes the place of another, which has a task_id.
    pub(super) replaces: bool,
    /// Whether the message gets a response_code.
    pub(super) answers_back: bool,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(app: &'a App, shelf: &'a Shelf) -> Self {
        Self {
            app,
            shelf,
            cut: Vec::new(),
            task_id: None,
            replaces: false,
            answers_back: false,
        }
    }

    /// For a card that takes the place of another.
    pub(super) fn of_replacement(app: &'a App, shelf: &'a Shelf) -> Self {
        Self {
            replaces: true,
            ..Self::new(app, shelf)
        }
    }

    /// The content as members would see it, or the first rule it breaks.
    pub(super) fn check(&mut self, msg_type: &str, body: &Fields) -> Verdict<Fields> {
        let mut content = object(body, msg_type).cloned().unwrap_or_default();
        let fields = &mut content;
        match msg_type {
            "text" => self.text(fields)?,
            "image" => self.media(fields, "media_id", Kind::Image)?,
            "voice" => self.media(fields, "media_id", Kind::Voice)?,
            "video" => self.video(fields)?,
            "file" => self.media(fields, "media_id", Kind::File)?,
            "textcard" => self.text_card(fields)?,
            "news" => self.articles(fields, Self::news_article)?,
            "mpnews" => self.articles(fields, Self::mpnews_article)?,
            "markdown" => markdown(fields)?,
            "miniprogram_notice" => self.notice(fields)?,
            "taskcard" | "interactive_taskcard" => self.task_card(fields)?,
            _ => card::check(self, fields)?,
        }
        Ok(content)
    }

    /// Notes a task_id: `[0-9A-Za-z_\-@]`, at most 128 bytes.
    pub(super) fn take_task_id(&mut self, fields: &Fields) -> Verdict {
        let words = "invalid task_id";
        let task_id = bounded(fields, "task_id", MAX_TASK_ID, 42014, words)?;
        if !is_key(task_id) {
            return Err(Refusal::new(42014, words));
        }
        self.task_id = Some(task_id.to_owned());
        Ok(())
    }

    /// Cards that call back need an app that can be called.
    pub(super) fn needs_callback(&self) -> Verdict {
        match self.app.callback_url {
            true => Ok(()),
            false => Err(Refusal::new(43012, "callback url not set")),
        }
    }

    fn cut(&mut self, fields: &mut Fields, at: &str, name: &str, limit: usize) {
        if cut_bytes(fields, name, limit) {
            self.cut.push(format!("{at}.{name}"));
        }
    }

    fn media(&self, fields: &Fields, name: &str, kind: Kind) -> Verdict {
        let id = required(fields, name, 41006, "media_id missing")?;
        match self.has_media(id, kind) {
            true => Ok(()),
            false => Err(Refusal::new(40007, "invalid media_id")),
        }
    }

    /// Whether this is a live upload of this kind.
    pub(super) fn has_media(&self, id: &str, kind: Kind) -> bool {
        self.shelf.get(id).is_some_and(|media| media.kind == kind)
    }

    fn text(&mut self, fields: &mut Fields) -> Verdict {
        required(fields, "content", 44004, "empty content")?;
        self.cut(fields, "text", "content", MAX_TEXT);
        Ok(())
    }

    fn video(&mut self, fields: &mut Fields) -> Verdict {
        self.media(fields, "media_id", Kind::Video)?;
        self.cut(fields, "video", "title", MAX_TITLE);
        self.cut(fields, "video", "description", MAX_DESCRIPTION);
        Ok(())
    }

    fn text_card(&mut self, fields: &mut Fields) -> Verdict {
        required(fields, "title", 41016, "missing title")?;
        required(fields, "description", 41033, "missing description")?;
        let link = required(fields, "url", 41010, "missing url")?;
        url("textcard.url", link)?;
        self.cut(fields, "textcard", "title", MAX_TITLE);
        self.cut(fields, "textcard", "description", MAX_DESCRIPTION);
        if cut_chars(fields, "btntxt", MAX_BUTTON_CHARS) {
            self.cut.push("textcard.btntxt".to_owned());
        }
        Ok(())
    }

    fn articles(
        &mut self,
        fields: &mut Fields,
        check: fn(&mut Self, &mut Fields, &str) -> Verdict,
    ) -> Verdict {
        let articles = fields
            .get_mut("articles")
            .and_then(|list| list.as_array_mut());
        let articles = articles.filter(|articles| !articles.is_empty());
        let articles = articles.ok_or_else(|| Refusal::bad("articles empty."))?;
        if articles.len() > MAX_ARTICLES {
            return Err(Refusal::new(45008, "article count exceeds limit"));
        }
        for (number, article) in articles.iter_mut().enumerate() {
            let mut none = Fields::new();
            let article = article.as_object_mut().unwrap_or(&mut none);
            required(article, "title", 41016, "missing title")?;
            check(self, article, &format!("articles[{number}]"))?;
        }
        Ok(())
    }

    fn news_article(&mut self, article: &mut Fields, at: &str) -> Verdict {
        let app_id = text(article, "appid");
        let page_path = text(article, "pagepath");
        if app_id.is_empty() != page_path.is_empty() {
            return Err(Refusal::bad("appid and pagepath come together."));
        }
        if page_path.len() > MAX_PAGE_PATH {
            return Err(Refusal::too_long("news.articles.pagepath", MAX_PAGE_PATH));
        }
        if app_id.is_empty() {
            let link = required(article, "url", 41010, "missing url")?;
            url("news.articles.url", link)?;
        }
        if text(article, "picurl").len() > MAX_URL {
            return Err(Refusal::too_long("news.articles.picurl", MAX_URL));
        }
        self.cut(article, at, "title", MAX_TITLE);
        self.cut(article, at, "description", MAX_DESCRIPTION);
        Ok(())
    }

    fn mpnews_article(&mut self, article: &mut Fields, at: &str) -> Verdict {
        self.media(article, "thumb_media_id", Kind::Image)?;
        if text(article, "author").len() > MAX_AUTHOR {
            return Err(Refusal::new(45032, "author too long"));
        }
        let content = required(article, "content", 44004, "empty content")?;
        if content.len() > MAX_ARTICLE {
            return Err(Refusal::new(45002, "content size out of limit"));
        }
        self.cut(article, at, "title", MAX_TITLE);
        self.cut(article, at, "digest", MAX_DESCRIPTION);
        Ok(())
    }

    fn notice(&mut self, fields: &mut Fields) -> Verdict {
        let app_id = required(fields, "appid", 90200, "missing mini program appid")?;
        if !app_id.starts_with("wx") {
            return Err(Refusal::new(90207, "invalid mini program appid"));
        }
        match &self.app.mini_program {
            None => return Err(Refusal::new(48002, "api forbidden")),
            Some(linked) if linked != app_id => {
                return Err(Refusal::new(90208, "mini program appid not match"));
            }
            Some(_) => {}
        }
        if text(fields, "page").len() > MAX_PAGE {
            return Err(Refusal::new(90204, "invalid mini program page"));
        }
        let title = required(fields, "title", 41016, "missing title")?;
        let description = text(fields, "description");
        for (name, text) in [("title", title), ("description", description)] {
            if !text.is_empty() && !fits_notice(text) {
                return Err(Refusal::bad(format!("miniprogram_notice.{name} length.")));
            }
        }
        drop_empty_items(fields);
        let items = objects(fields, "content_item");
        if items.len() > MAX_ITEMS {
            return Err(Refusal::new(90201, "too many content_item"));
        }
        let longer = |name, limit| {
            items
                .iter()
                .any(|item| text(item, name).chars().count() > limit)
        };
        if longer("key", MAX_ITEM_KEY_CHARS) {
            return Err(Refusal::new(90202, "content_item key too long"));
        }
        if longer("value", MAX_ITEM_VALUE_CHARS) {
            return Err(Refusal::new(90203, "content_item value too long"));
        }
        Ok(())
    }

    /// The old task card (任务卡片), under either of its names.
    fn task_card(&mut self, fields: &mut Fields) -> Verdict {
        self.needs_callback()?;
        required(fields, "title", 41016, "missing title")?;
        self.take_task_id(fields)?;
        if !text(fields, "url").is_empty() {
            url("taskcard.url", text(fields, "url"))?;
        }
        let buttons = objects(fields, "btn");
        if buttons.is_empty() || buttons.len() > MAX_TASK_BUTTONS {
            return Err(Refusal::bad("taskcard.btn count."));
        }
        let mut keys = Vec::new();
        for button in &buttons {
            let key = required(button, "key", 42019, "missing button key")?;
            if key.len() > MAX_TASK_ID || !is_key(key) || keys.contains(&key) {
                return Err(Refusal::new(42018, "invalid button key"));
            }
            required(button, "name", 42020, "missing button name")?;
            keys.push(key);
        }
        self.cut(fields, "taskcard", "title", MAX_TITLE);
        self.cut(fields, "taskcard", "description", MAX_DESCRIPTION);
        let buttons = fields.get_mut("btn").and_then(|list| list.as_array_mut());
        let buttons = buttons
            .into_iter()
            .flatten()
            .filter_map(|button| button.as_object_mut());
        for (number, button) in buttons.enumerate() {
            self.cut(
                button,
                &format!("btn[{number}]"),
                "name",
                MAX_TASK_BUTTON_NAME,
            );
        }
        Ok(())
    }
}

fn markdown(fields: &Fields) -> Verdict {
    let content = required(fields, "content", 44004, "empty content")?;
    if content.len() > MAX_TEXT {
        return Err(Refusal::too_long("markdown.content", MAX_TEXT));
    }
    Ok(())
}

/// A url needs its scheme and has its length.
fn url(field: &str, url: &str) -> Verdict {
    if !url.contains("://") {
        return Err(Refusal::new(45034, "url must have a scheme"));
    }
    if url.len() > MAX_URL {
        return Err(Refusal::too_long(field, MAX_URL));
    }
    Ok(())
}

fn fits_notice(text: &str) -> bool {
    let columns: usize = text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
    text.chars().count() >= MIN_NOTICE_CHARS && columns <= MAX_NOTICE_COLUMNS
}

/// An item with neither key nor value is not shown.
fn drop_empty_items(fields: &mut Fields) {
    if let Some(items) = fields
        .get_mut("content_item")
        .and_then(|list| list.as_array_mut())
    {
        items.retain(|item| {
            let item = item.as_object();
            item.is_some_and(|item| {
                !text(item, "key").is_empty() || !text(item, "value").is_empty()
            })
        });
    }
}

fn is_key(key: &str) -> bool {
    key.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-@".contains(&byte))
}

/// A link of a card: `type` 1 is a url, 2 a mini program, 0 none.
pub(super) fn link(fields: &Fields, url_code: i64, app_id_code: i64) -> Verdict {
    match number(fields, "type") {
        0 => Ok(()),
        1 => required(fields, "url", url_code, "missing url").map(drop),
        2 => required(fields, "appid", app_id_code, "missing appid").map(drop),
        _ => Err(Refusal::bad("type out of range.")),
    }
}
