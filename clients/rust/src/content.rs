//! Short ways to write what a message says and who gets it.

use crate::v1::{self as pb, Content, Recipients, content::Kind};

macro_rules! contents {
    ($($(#[$doc:meta])* $name:ident($($given:ident),+) -> $kind:ident { $($fields:tt)+ })+) => {
        $($(#[$doc])*
        #[allow(clippy::needless_update, reason = "some kinds have no other field")]
        pub fn $name($($given: impl Into<String>),+) -> Content {
            $(let $given = $given.into();)+
            let made = pb::$kind { $($fields)+, ..Default::default() };
            Content { kind: Some(Kind::$kind(made)) }
        })+
    };
}

contents! {
    /// Plain text.
    text(content) -> Text { content }
    /// Text in WeCom's subset of Markdown.
    markdown(content) -> Markdown { content }
    /// A card of title, description and link.
    text_card(title, description, url) -> TextCard { title, description, url }
    /// A picture that was uploaded.
    image(media_id) -> Image { media: uploaded(media_id) }
    /// A file that was uploaded.
    file(media_id) -> File { media: uploaded(media_id) }
}

fn uploaded(media_id: String) -> Option<pb::Media> {
    let source = Some(pb::media::Source::MediaId(media_id));
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
    Recipients {
        everyone: true,
        ..Default::default()
    }
}
