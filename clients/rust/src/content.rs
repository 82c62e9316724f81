//! Short ways to write what a message says and who gets it.

use crate::v1::{self as pb, Content, Recipients, content::Kind};

fn content(kind: Kind) -> Content {
    Content { kind: Some(kind) }
}

fn media(media_id: impl Into<String>) -> Option<pb::Media> {
    let source = pb::media::Source::MediaId(media_id.into());
    Some(pb::Media {
        source: Some(source),
    })
}

/// Plain text.
pub fn text(text: impl Into<String>) -> Content {
    content(Kind::Text(pb::Text {
        content: text.into(),
        ..Default::default()
    }))
}

/// Text in WeCom's subset of Markdown.
pub fn markdown(text: impl Into<String>) -> Content {
    content(Kind::Markdown(pb::Markdown {
        content: text.into(),
    }))
}

/// A card of title, description and link.
pub fn text_card(
    title: impl Into<String>,
    description: impl Into<String>,
    url: impl Into<String>,
) -> Content {
    content(Kind::TextCard(pb::TextCard {
        title: title.into(),
        description: description.into(),
        url: url.into(),
        ..Default::default()
    }))
}

/// A picture that was uploaded.
pub fn image(media_id: impl Into<String>) -> Content {
    content(Kind::Image(pb::Image {
        media: media(media_id),
    }))
}

/// A file that was uploaded.
pub fn file(media_id: impl Into<String>) -> Content {
    content(Kind::File(pb::File {
        media: media(media_id),
    }))
}

/// These members.
pub fn users<I: Into<String>>(user_ids: impl IntoIterator<Item = I>) -> Recipients {
    Recipients {
        user_ids: user_ids.into_iter().map(Into::into).collect(),
        ..Default::default()
    }
}

/// The members of these departments.
pub fn departments(department_ids: impl IntoIterator<Item = u32>) -> Recipients {
    Recipients {
        department_ids: department_ids.into_iter().collect(),
        ..Default::default()
    }
}

/// The members with these tags.
pub fn tags(tag_ids: impl IntoIterator<Item = u32>) -> Recipients {
    Recipients {
        tag_ids: tag_ids.into_iter().collect(),
        ..Default::default()
    }
}

/// Everyone whom the app can see.
pub fn everyone() -> Recipients {
    Recipients {
        everyone: true,
        ..Default::default()
    }
}
