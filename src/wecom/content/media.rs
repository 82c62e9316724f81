//! Where the media of a message comes from: an id of an earlier upload, or the
//! bytes themselves, which the client uploads before it renders the message.

use bytes::Bytes;
use serde::{Serialize, Serializer, ser};

use crate::wecom::check::{ANY_LENGTH, Checker, Path};

/// WeCom refuses files of 5 bytes and fewer.
///
/// Source: <https://developer.work.weixin.qq.com/document/path/90253>
pub(in crate::wecom) const MEDIA_MIN_BYTES: usize = 6;
/// Largest file that a request may carry inline: the gateway's own limit, so
/// that a message stays well under the 4 MiB of a gRPC request.
const INLINE_MEDIA_MAX_BYTES: usize = 2 * 1024 * 1024;
/// Longest file name: what common file systems take.
const FILE_NAME_MAX_BYTES: usize = 255;

/// A media file (素材) of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// `media_id` of an upload, alive for 3 days. Empty means that none was given.
    Id(String),
    /// The file itself.
    Inline {
        /// Its bytes.
        data: Bytes,
        /// The name that the recipient sees.
        file_name: String,
    },
}

/// What an upload says the file is. WeCom: `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// A picture, JPG or PNG.
    Image,
    /// A voice recording, AMR.
    Voice,
    /// A video, MP4.
    Video,
    /// Any file.
    File,
}

impl MediaType {
    /// WeCom's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::File => "file",
        }
    }

    /// The formats that WeCom takes.
    pub fn formats(self) -> &'static str {
        match self {
            Self::Image => "JPG or PNG",
            Self::Voice => "AMR",
            Self::Video => "MP4",
            Self::File => "any",
        }
    }

    /// Whether the first bytes are those of one of the formats.
    pub fn recognizes(self, data: &[u8]) -> bool {
        match self {
            Self::Image => {
                data.starts_with(b"\xFF\xD8\xFF") || data.starts_with(b"\x89PNG\r\n\x1A\n")
            }
            Self::Voice => data.starts_with(b"#!AMR"),
            // The first box of an MP4 is its file type; its length comes before.
            Self::Video => data.get(4..8) == Some(b"ftyp"),
            Self::File => true,
        }
    }
}

impl Media {
    /// Whether neither an id nor bytes were given.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Id(id) if id.is_empty())
    }

    /// Checks the media as one of type `media_type`; it must be there.
    pub fn check(&self, path: &Path<'_>, media_type: MediaType, found: &mut Checker) {
        match self {
            Self::Id(id) if id.is_empty() => {
                found.add(path, format_args!("required: a media_id or inline bytes"));
            }
            Self::Id(id) => found.opaque(&path.field("media_id"), id, 1..=ANY_LENGTH),
            Self::Inline { data, file_name } => {
                let inline = path.field("inline");
                check_data(&inline.field("data"), media_type, data, found);
                check_file_name(&inline.field("file_name"), file_name, found);
            }
        }
    }
}

fn check_data(path: &Path<'_>, media_type: MediaType, data: &[u8], found: &mut Checker) {
    let size = data.len();
    if size < MEDIA_MIN_BYTES {
        found.add(
            path,
            format_args!("{size} bytes, at least {MEDIA_MIN_BYTES} are needed"),
        );
    } else if size > INLINE_MEDIA_MAX_BYTES {
        found.add(
            path,
            format_args!("{size} bytes, the limit is {INLINE_MEDIA_MAX_BYTES}"),
        );
    } else if !media_type.recognizes(data) {
        found.add(
            path,
            format_args!(
                "must be {}, the bytes are something else",
                media_type.formats()
            ),
        );
    }
}

/// Checks the name under which a file is uploaded: it stands inside a quoted
/// header value, and on the recipient's disk.
pub(in crate::wecom) fn check_file_name(path: &Path<'_>, name: &str, found: &mut Checker) {
    found.text(path, name, 1..=FILE_NAME_MAX_BYTES);
    if name.contains(['/', '\\', '"', '\r', '\n', '\u{85}', '\u{2028}', '\u{2029}']) {
        found.add(
            path,
            format_args!("must not contain `/`, `\\`, `\"` or line breaks"),
        );
    }
}

/// Renders as the id. Bytes that were not uploaded first are a mistake of ours.
impl Serialize for Media {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Id(id) => serializer.serialize_str(id),
            Self::Inline { .. } => Err(ser::Error::custom(
                "inline media must be uploaded before the message is rendered",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(media: &Media, media_type: MediaType) -> Vec<(String, String)> {
        let mut checker = Checker::default();
        media.check(&Path::ROOT.field("media"), media_type, &mut checker);
        let violations = checker.into_violations().into_iter();
        violations
            .map(|found| (found.field, found.description))
            .collect()
    }

    fn inline(data: impl Into<Bytes>, file_name: &str) -> Media {
        Media::Inline {
            data: data.into(),
            file_name: file_name.to_owned(),
        }
    }

    #[test]
    fn each_type_knows_its_first_bytes() {
        let jpg = inline(&b"\xFF\xD8\xFF\xE0\0\0"[..], "a.jpg");
        let png = inline(&b"\x89PNG\r\n\x1A\n...."[..], "a.png");
        let amr = inline(&b"#!AMR\n.."[..], "a.amr");
        let mp4 = inline(&b"\0\0\0\x10ftypisom"[..], "a.mp4");
        for (media, media_type) in [
            (&jpg, MediaType::Image),
            (&png, MediaType::Image),
            (&amr, MediaType::Voice),
            (&mp4, MediaType::Video),
            (&jpg, MediaType::File),
        ] {
            assert_eq!(found(media, media_type), []);
        }
        for (media, media_type) in [
            (&amr, MediaType::Image),
            (&mp4, MediaType::Voice),
            (&png, MediaType::Video),
        ] {
            assert_eq!(found(media, media_type)[0].0, "media.inline.data");
        }
    }

    #[test]
    fn file_is_more_than_5_bytes_and_at_most_2_mebibytes() {
        for (size, good) in [
            (0, false),
            (5, false),
            (6, true),
            (2_097_152, true),
            (2_097_153, false),
        ] {
            let media = inline(vec![b'x'; size], "a.txt");
            assert_eq!(found(&media, MediaType::File).is_empty(), good, "{size}");
        }
    }

    #[test]
    fn file_name_fits_a_header_and_a_disk() {
        let longest = "文".repeat(85);
        for good in ["a", "报告 2026.pdf", "a'b;c.txt", &longest] {
            assert_eq!(
                found(&inline("123456", good), MediaType::File),
                [],
                "{good}"
            );
        }
        for bad in [
            "",
            "a/b",
            "a\\b",
            "a\"b",
            "a\rb",
            "a\nb",
            "a\0b",
            &format!("{longest}x"),
        ] {
            let found = found(&inline("123456", bad), MediaType::File);
            assert_eq!(found[0].0, "media.inline.file_name", "{bad:?}");
        }
    }

    #[test]
    fn id_must_be_there_and_without_blanks() {
        assert_eq!(
            found(&Media::Id(String::new()), MediaType::Image)[0].0,
            "media"
        );
        assert_eq!(
            found(&Media::Id("a b".into()), MediaType::Image)[0].0,
            "media.media_id"
        );
        assert_eq!(found(&Media::Id("3aB-_".into()), MediaType::Image), []);
    }

    #[test]
    fn bytes_never_reach_the_message() {
        assert!(serde_json::to_string(&inline("123456", "a")).is_err());
    }
}
