//! The two kinds of content made of articles.
//!
//! Source, read on 2026-11-24: <https://developer.work.weixin.qq.com/document/path/90236>

use serde::Serialize;

use super::{
    DESCRIPTION_MAX_BYTES, Media, MediaType, Occasion, TITLE_MAX_BYTES, check_mini_program,
};
use crate::wecom::check::{Checker, Path};

/// Most articles of one message.
pub const ARTICLES_MAX: usize = 8;
/// Longest page of a mini program that a [`NewsArticle`] opens, in bytes.
pub const ARTICLE_PAGE_PATH_MAX_BYTES: usize = 128;
/// Longest author of an [`MpNewsArticle`], in bytes.
pub const AUTHOR_MAX_BYTES: usize = 64;
/// Longest HTML of an [`MpNewsArticle`], in bytes: 666 KiB.
pub const ARTICLE_CONTENT_MAX_BYTES: usize = 666 * 1024;

/// Articles that link elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct News {
    /// 1 to 8.
    pub articles: Vec<NewsArticle>,
}

/// One article of [`News`]: opens `url`, or a page of a mini program.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NewsArticle {
    /// Required, at most 128 bytes.
    pub title: String,
    /// At most 512 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Required unless `app_id` is set.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Picture, JPG or PNG.
    #[serde(rename = "picurl", skip_serializing_if = "String::is_empty")]
    pub picture_url: String,
    /// Mini program to open instead of `url`; not in app chats.
    #[serde(rename = "appid", skip_serializing_if = "String::is_empty")]
    pub app_id: String,
    /// Required with `app_id`, at most 128 bytes.
    #[serde(rename = "pagepath", skip_serializing_if = "String::is_empty")]
    pub page_path: String,
}

impl News {
    pub(super) fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        let articles = path.field("articles");
        let checked = found.list(&articles, &self.articles, 1..=ARTICLES_MAX);
        for (index, article) in checked.iter().enumerate() {
            article.check(&articles.at(index), occasion, found);
        }
    }
}

impl NewsArticle {
    fn check(&self, path: &Path<'_>, occasion: Occasion, found: &mut Checker) {
        let (url, app_id, page_path) = (
            path.field("url"),
            path.field("app_id"),
            path.field("page_path"),
        );
        found.text(&path.field("title"), &self.title, 1..=TITLE_MAX_BYTES);
        let description = path.field("description");
        found.text(&description, &self.description, 0..=DESCRIPTION_MAX_BYTES);
        found.url(&url, &self.url);
        found.url(&path.field("picture_url"), &self.picture_url);
        check_mini_program(
            path,
            &self.app_id,
            &self.page_path,
            ARTICLE_PAGE_PATH_MAX_BYTES,
            found,
        );

        let no_mini_program = self.app_id.is_empty() && self.page_path.is_empty();
        if occasion == Occasion::AppChat {
            if !no_mini_program {
                found.add(
                    &app_id,
                    format_args!("an app chat opens links only, no mini program"),
                );
            }
            if self.url.is_empty() {
                found.add(&url, format_args!("required"));
            }
        } else if no_mini_program && self.url.is_empty() {
            found.add(
                &url,
                format_args!("required unless app_id and page_path are set"),
            );
        } else if !no_mini_program && self.app_id.is_empty() {
            found.add(&app_id, format_args!("required with page_path"));
        } else if !no_mini_program && self.page_path.is_empty() {
            found.add(&page_path, format_args!("required with app_id"));
        }
    }
}

/// Articles stored by WeCom.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MpNews {
    /// 1 to 8.
    pub articles: Vec<MpNewsArticle>,
}

/// One article of [`MpNews`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MpNewsArticle {
    /// Required, at most 128 bytes.
    pub title: String,
    /// Required: the cover picture.
    #[serde(rename = "thumb_media_id")]
    pub thumbnail: Media,
    /// At most 64 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// The link "read original".
    #[serde(skip_serializing_if = "String::is_empty")]
    pub content_source_url: String,
    /// Required: HTML, at most 666 KiB.
    pub content: String,
    /// At most 512 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

impl MpNews {
    pub(super) fn check(&self, path: &Path<'_>, found: &mut Checker) {
        let articles = path.field("articles");
        let checked = found.list(&articles, &self.articles, 1..=ARTICLES_MAX);
        for (index, article) in checked.iter().enumerate() {
            article.check(&articles.at(index), found);
        }
    }
}

impl MpNewsArticle {
    fn check(&self, path: &Path<'_>, found: &mut Checker) {
        found.text(&path.field("title"), &self.title, 1..=TITLE_MAX_BYTES);
        let thumbnail = path.field("thumbnail");
        self.thumbnail.check(&thumbnail, MediaType::Image, found);
        found.text(&path.field("author"), &self.author, 0..=AUTHOR_MAX_BYTES);
        found.url(&path.field("content_source_url"), &self.content_source_url);
        let content = path.field("content");
        found.text(&content, &self.content, 1..=ARTICLE_CONTENT_MAX_BYTES);
        found.text(
            &path.field("digest"),
            &self.digest,
            0..=DESCRIPTION_MAX_BYTES,
        );
    }
}
