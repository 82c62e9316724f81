//! Short ways to write what a message says and who gets it.

use crate::v1::{self as pb, Content, Recipients, content::Kind};

macro_rules! content {
    ($(#[$doc:meta])* $name:ident($($field:ident),+) -> $kind:ident) => {
        $(#[$doc])*
        #[allow(clippy::needless_update, reason = "some kinds have no other field")]
        pub fn $name($($field: impl Into<String>),+) -> Content {
            let made = pb::$kind { $($field: $field.into(),)+ ..Default::default() };
            Content { kind: Some(Kind::$kind(made)) }
        }
    };
}

content!(
    /// Plain text.
    text(content) -> Text
);
content!(
    /// Text in WeCom's subset of Markdown.
    markdown(content) -> Markdown
);
content!(
    /// A card of title, description and link.
    text_card(title, description, url) -> TextCard
);

/// A picture that was uploaded.
pub fn image(media_id: impl Into<String>) -> Content {
    let media = media(media_id.into());
    let kind = Some(Kind::Image(pb::Image { media }));
    Content { kind }
}

/// A file that was uploaded.
pub fn file(media_id: impl Into<String>) -> Content {
    let media = media(media_id.into());
    let kind = Some(Kind::File(pb::File { media }));
    Content { kind }
}

fn media(id: String) -> Option<pb::Media> {
    let source = Some(pb::media::Source::MediaId(id));
    Some(pb::Media { source })
}

/// These members.
pub fn users<I: Into<String>>(user_ids: impl IntoIterator<Item = I>) -> Recipients {
    let mut recipients = Recipients::default();
    let user_ids = user_ids.into_iter().map(Into::into);
    recipients.user_ids.extend(user_ids);
    recipients
}

/// The members of these departments.
pub fn departments(department_ids: impl IntoIterator<Item = u32>) -> Recipients {
    let mut recipients = Recipients::default();
    recipients.department_ids.extend(department_ids);
    recipients
}

/// The members with these tags.
pub fn tags(tag_ids: impl IntoIterator<Item = u32>) -> Recipients {
    let mut recipients = Recipients::default();
    recipients.tag_ids.extend(tag_ids);
    recipients
}

/// Everyone whom the app can see.
pub fn everyone() -> Recipients {
    Recipients { everyone: true, ..Default::default() }
}
