//! Contents: the contract's to ours. Strings are moved, never copied.
//!
//! Only what our types cannot hold is refused here: a kind that was not chosen,
//! a number that no enum knows. Every other rule belongs to `wecom`.

use super::card;
use crate::grpc::pb;
use crate::wecom::check::{Checker, Path};
use crate::wecom::content::{
    Content, File, Image, Markdown, Media, MiniProgramNotice, MiniProgramNoticeItem, MpNews,
    MpNewsArticle, News, NewsArticle, TaskCard, TaskCardButton, TaskCardButtonColor, Text,
    TextCard, Video, Voice,
};

/// The content at `path`. None, with a violation, when no kind was chosen; a
/// number that no enum knows is a violation and counts as not set.
pub(in crate::grpc) fn content_at(
    path: &Path<'_>,
    content: Option<pb::Content>,
    found: &mut Checker,
) -> Option<Content> {
    use pb::content::Kind;
    let Some(kind) = content.and_then(|content| content.kind) else {
        found.add(path, format_args!("required: exactly one kind of content"));
        return None;
    };
    Some(match kind {
        Kind::Text(text) => Content::Text(Text {
            content: text.content,
            mentioned_user_ids: text.mentioned_user_ids,
        }),
        Kind::Image(image) => Content::Image(Image {
            media: media(image.media),
        }),
        Kind::Voice(voice) => Content::Voice(Voice {
            media: media(voice.media),
        }),
        Kind::Video(video) => Content::Video(Video {
            media: media(video.media),
            title: video.title,
            description: video.description,
        }),
        Kind::File(file) => Content::File(File {
            media: media(file.media),
        }),
        Kind::TextCard(card) => Content::TextCard(TextCard {
            title: card.title,
            description: card.description,
            url: card.url,
            button_text: card.button_text,
        }),
        Kind::News(news) => Content::News(News {
            articles: news.articles.into_iter().map(news_article).collect(),
        }),
        Kind::MpNews(news) => Content::MpNews(MpNews {
            articles: news.articles.into_iter().map(mp_news_article).collect(),
        }),
        Kind::Markdown(markdown) => Content::Markdown(Markdown {
            content: markdown.content,
        }),
        Kind::MiniProgramNotice(notice) => Content::MiniProgramNotice(mini_program_notice(notice)),
        Kind::TaskCard(card) => Content::TaskCard(task_card(&path.field("task_card"), card, found)),
        Kind::TemplateCard(card) => Content::TemplateCard(card::template_card(
            &path.field("template_card"),
            card,
            found,
        )?),
    })
}

/// Media that are missing become an empty id, which `wecom` refuses.
pub(super) fn media(media: Option<pb::Media>) -> Media {
    use pb::media::Source;
    match media.and_then(|media| media.source) {
        None => Media::Id(String::new()),
        Some(Source::MediaId(id)) => Media::Id(id),
        Some(Source::Inline(inline)) => Media::Inline {
            data: inline.data,
            file_name: inline.file_name,
        },
    }
}

fn news_article(article: pb::NewsArticle) -> NewsArticle {
    NewsArticle {
        title: article.title,
        description: article.description,
        url: article.url,
        picture_url: article.picture_url,
        app_id: article.app_id,
        page_path: article.page_path,
    }
}

fn mp_news_article(article: pb::MpNewsArticle) -> MpNewsArticle {
    MpNewsArticle {
        title: article.title,
        thumbnail: media(article.thumbnail),
        author: article.author,
        content_source_url: article.content_source_url,
        content: article.content,
        digest: article.digest,
    }
}

fn mini_program_notice(notice: pb::MiniProgramNotice) -> MiniProgramNotice {
    let items = notice.items.into_iter();
    MiniProgramNotice {
        app_id: notice.app_id,
        page: notice.page,
        title: notice.title,
        description: notice.description,
        emphasize_first_item: notice.emphasize_first_item,
        items: items
            .map(|item| MiniProgramNoticeItem {
                key: item.key,
                value: item.value,
            })
            .collect(),
    }
}

fn task_card(path: &Path<'_>, card: pb::TaskCard, found: &mut Checker) -> TaskCard {
    let buttons = path.field("buttons");
    TaskCard {
        title: card.title,
        description: card.description,
        url: card.url,
        task_id: card.task_id,
        buttons: convert_list(card.buttons, |index, button| {
            task_card_button(&buttons.at(index), button, found)
        }),
    }
}

fn task_card_button(
    path: &Path<'_>,
    button: pb::TaskCardButton,
    found: &mut Checker,
) -> TaskCardButton {
    use pb::TaskCardButtonColor as Color;
    let color = known(&path.field("color"), button.color, found);
    TaskCardButton {
        key: button.key,
        name: button.name,
        replace_name: button.replace_name,
        color: color.and_then(|color| match color {
            Color::Unspecified => None,
            Color::Red => Some(TaskCardButtonColor::Red),
            Color::Blue => Some(TaskCardButtonColor::Blue),
        }),
        bold: button.bold,
    }
}

/// The enum of a number. An unknown one, sent by a newer client, must not be
/// taken for "not set" in silence.
pub(super) fn known<E: TryFrom<i32>>(
    path: &Path<'_>,
    number: i32,
    found: &mut Checker,
) -> Option<E> {
    let value = E::try_from(number).ok();
    if value.is_none() {
        found.add(path, format_args!("{number} is not a value of this enum"));
    }
    value
}

pub(super) fn convert_list<T, U>(items: Vec<T>, mut convert: impl FnMut(usize, T) -> U) -> Vec<U> {
    let items = items.into_iter().enumerate();
    items.map(|(index, item)| convert(index, item)).collect()
}
