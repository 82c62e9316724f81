//! media/upload (上传临时素材), media/uploadimg (上传图片) and media/get (获取临时素材).
//!
//! Sources: <https://developer.work.weixin.qq.com/document/path/90253>,
//! <https://developer.work.weixin.qq.com/document/path/90256> and
//! <https://developer.work.weixin.qq.com/document/path/90254> (read 2026-02), the error
//! codes from <https://developer.work.weixin.qq.com/document/path/90313>. Not documented:
//! which code a picture that is none gets, that is 40123 here; and under which names
//! files come back, that is their own here for files, and the media_id for the rest, as
//! in the page's sample.

use serde_json::Map;
use sha2::{Digest, Sha256};

use super::endpoint::Endpoint;
use super::upload::{self, Upload};
use crate::sandbox::answer::{Answer, File, Refusal, Verdict};
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;
use crate::sandbox::gallery::Picture;
use crate::sandbox::media::{Kind, Media};

/// A file must be larger than this.
const TOO_SMALL: usize = 5;
const MIB: usize = 1024 * 1024;

/// Frames of AMR per second, and seconds a voice may last.
const AMR_FRAMES_PER_SECOND: usize = 50;
const MAX_VOICE_SECONDS: usize = 60;

/// Largest picture of media/uploadimg.
const MAX_PICTURE: usize = 2 * MIB;
/// Longest answer of media/get.
const MAX_ANSWER: usize = 20 * MIB;

const AMR_HEAD: &[u8] = b"#!AMR\n";

/// Bytes of an AMR narrow-band frame by the mode in its first byte (RFC 4867).
const AMR_FRAME: [usize; 16] = [13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1];

/// Length of the media_ids seen.
const ID_LENGTH: usize = 44;

pub(super) fn find(path: &str) -> Option<Endpoint> {
    Some(Endpoint::Gated(match path {
        "media/upload" => upload,
        "media/uploadimg" => upload_picture,
        "media/get" => get,
        _ => return None,
    }))
}

fn upload(corp: &mut Corp, _app: usize, call: &Call) -> Answer {
    let (kind, upload) = match accept(call) {
        Ok(accepted) => accepted,
        Err(refusal) => return refusal.into(),
    };
    let id = random(ID_LENGTH);
    let created_at = corp.clock.unix_ms() / 1000;
    let sha256 = hex::encode(Sha256::digest(&upload.bytes));
    let media = Media::new(kind, upload.file_name, sha256, upload.bytes, created_at);
    corp.shelf.put(id.clone(), media);
    // This call says nothing where others say "ok", and its time is a string.
    Answer::ok(Map::from_iter([
        ("errmsg".into(), "".into()),
        ("type".into(), kind.name().into()),
        ("media_id".into(), id.into()),
        ("created_at".into(), created_at.to_string().into()),
    ]))
}

fn random(length: usize) -> String {
    let characters = std::iter::repeat_with(fastrand::alphanumeric);
    characters.take(length).collect()
}

fn upload_picture(corp: &mut Corp, _app: usize, call: &Call) -> Answer {
    store_picture(corp, call).unwrap_or_else(Answer::from)
}

fn store_picture(corp: &mut Corp, call: &Call) -> Verdict<Answer> {
    let Upload { file_name, bytes } = upload::read_any(call)?;
    if bytes.len() <= TOO_SMALL {
        return Err(Refusal::new(40006, "invalid media size"));
    }
    if bytes.len() > MAX_PICTURE {
        return Err(Refusal::new(40009, "invalid image size"));
    }
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let size_bytes = bytes.len();
    let created_at = corp.clock.unix_ms() / 1000;
    let media = Media::new(Kind::Image, file_name, sha256, bytes, created_at);
    if check_format(Kind::Image, &media.bytes).is_err() {
        return Err(Refusal::new(40123, "broken image"));
    }
    let url = format!("http://p.qpic.cn/pic_wework/{}/0", random(ID_LENGTH));
    let picture = Picture {
        url: url.clone(),
        content_type: media.content_type(),
        file_name: media.file_name,
        sha256: media.sha256,
        size_bytes,
    };
    if !corp.gallery.put(corp.clock.day(), picture) {
        return Err(Refusal::new(45009, "api freq out of limit"));
    }
    Ok(Answer::ok(Map::from_iter([
        ("errmsg".into(), "".into()),
        ("url".into(), url.into()),
    ])))
}

fn get(corp: &mut Corp, _app: usize, call: &Call) -> Answer {
    fetch(corp, call).unwrap_or_else(Answer::from)
}

fn fetch(corp: &Corp, call: &Call) -> Verdict<Answer> {
    let id = call.query("media_id");
    let id = id.ok_or_else(|| Refusal::new(41006, "media_id missing"))?;
    let media = corp.shelf.get(id);
    let media = media.ok_or_else(|| Refusal::new(40007, "invalid media_id"))?;
    let content_type = media.content_type();
    let size = media.bytes.len();
    let part = part(&call.range, size)?;
    let bytes = part.clone().map_or(0..size, |part| part);
    let range = part.map(|part| format!("bytes {}-{}/{size}", part.start, part.end - 1));
    Ok(Answer::file(File {
        name: match media.kind {
            Kind::File => media.file_name.clone(),
            Kind::Voice => format!("{id}.amr"),
            Kind::Video => format!("{id}.mp4"),
            Kind::Image if content_type == "image/png" => format!("{id}.png"),
            Kind::Image => format!("{id}.jpg"),
        },
        content_type,
        bytes: media.bytes.slice(bytes),
        range,
    }))
}

/// The part of `size` bytes that `bytes=0-1023` asks for; `None` for the whole. What
/// is no such range counts as none.
fn part(range: &str, size: usize) -> Verdict<Option<std::ops::Range<usize>>> {
    let asked = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .and_then(|(first, last)| {
            let last = match last {
                "" => size.checked_sub(1)?,
                last => last.parse().ok()?,
            };
            Some((first.parse::<usize>().ok()?, last))
        });
    let part = match asked {
        None => None,
        Some((first, last)) if first > last || first >= size => {
            return Err(Refusal::new(40146, "invalid range"));
        }
        Some((first, last)) => Some(first..size.min(last.saturating_add(1))),
    };
    match part.as_ref().map_or(size, ExactSizeIterator::len) > MAX_ANSWER {
        true => Err(Refusal::new(830_002, "media size out of limit, use range")),
        false => Ok(part),
    }
}

fn accept(call: &Call) -> Verdict<(Kind, Upload)> {
    let kind = call.query("type").and_then(Kind::parse);
    let kind = kind.ok_or_else(|| Refusal::new(40005, "invalid file type"))?;
    let upload = upload::read(call)?;
    check_size(kind, upload.bytes.len())?;
    check_format(kind, &upload.bytes)?;
    Ok((kind, upload))
}

fn check_size(kind: Kind, size: usize) -> Verdict {
    if size <= TOO_SMALL {
        return Err(Refusal::new(40006, "invalid media size"));
    }
    let (limit, code) = match kind {
        Kind::Image => (10 * MIB, 40009),
        Kind::Voice => (2 * MIB, 45001),
        Kind::Video => (10 * MIB, 40011),
        Kind::File => (20 * MIB, 45001),
    };
    match size > limit {
        true => Err(Refusal::new(code, "media size out of limit")),
        false => Ok(()),
    }
}

/// The format by its first bytes: JPG or PNG, AMR, MP4; a file may be anything.
fn check_format(kind: Kind, bytes: &[u8]) -> Verdict {
    match kind {
        Kind::Image => {
            let known = bytes.starts_with(b"\xff\xd8\xff") || bytes.starts_with(b"\x89PNG");
            known
                .then_some(())
                .ok_or_else(|| Refusal::new(40004, "invalid media type"))
        }
        Kind::Voice => {
            let frames = bytes.strip_prefix(AMR_HEAD);
            let frames = frames.ok_or_else(|| Refusal::new(301017, "voice is not amr"))?;
            match amr_seconds(frames) > MAX_VOICE_SECONDS {
                true => Err(Refusal::new(45007, "voice longer than 60 seconds")),
                false => Ok(()),
            }
        }
        Kind::Video => {
            let known = bytes.get(4..8) == Some(b"ftyp");
            known
                .then_some(())
                .ok_or_else(|| Refusal::new(40004, "invalid media type"))
        }
        Kind::File => Ok(()),
    }
}

/// Whole seconds of an AMR body, each frame 20 ms.
fn amr_seconds(mut body: &[u8]) -> usize {
    let mut frames = 0;
    while let Some(&head) = body.first() {
        let size = AMR_FRAME[usize::from(head >> 3 & 0x0f)];
        body = body.get(size..).unwrap_or_default();
        frames += 1;
    }
    frames / AMR_FRAMES_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_gives_a_part_and_a_large_file_needs_one() {
        let code = |range: &str, size: usize| part(range, size).map_err(|refusal| refusal.code);
        for (range, size, expected) in [
            ("", 2048, Ok(None)),
            ("bytes=0-1023", 2048, Ok(Some(0..1024))),
            ("bytes=1024-", 2048, Ok(Some(1024..2048))),
            ("bytes=1024-9999", 2048, Ok(Some(1024..2048))),
            ("bytes=2048-", 2048, Err(40146)),
            ("bytes=9-3", 2048, Err(40146)),
            ("pages=1-2", 2048, Ok(None)),
            ("bytes=-5", 2048, Ok(None)),
            ("", 20 * MIB, Ok(None)),
            ("", 20 * MIB + 1, Err(830_002)),
            ("bytes=0-", 20 * MIB + 1, Err(830_002)),
            ("bytes=1-", 20 * MIB + 1, Ok(Some(1..20 * MIB + 1))),
        ] {
            assert_eq!(code(range, size), expected, "{range} of {size}");
        }
    }

    #[test]
    fn each_kind_has_its_size_and_format() {
        let code = |kind, bytes: &[u8]| {
            let verdict = check_size(kind, bytes.len()).and_then(|()| check_format(kind, bytes));
            verdict.err().map_or(0, |refusal| refusal.code)
        };
        let padded = |head: &[u8], size: usize| {
            let mut bytes = head.to_vec();
            bytes.resize(size, 0);
            bytes
        };
        let mp4 = b"\0\0\0\x18ftypmp42";
        // Mode 7 frames are 32 bytes; 3000 of them last 60 s.
        let amr = |frames: usize| [AMR_HEAD, &vec![0x3c; 32 * frames]].concat();
        for (kind, bytes, expected) in [
            (Kind::File, b"12345".to_vec(), 40006),
            (Kind::File, b"123456".to_vec(), 0),
            (Kind::File, padded(b"", 20 * MIB), 0),
            (Kind::File, padded(b"", 20 * MIB + 1), 45001),
            (Kind::Image, padded(b"\x89PNG", 10 * MIB), 0),
            (Kind::Image, padded(b"\xff\xd8\xff", 10 * MIB + 1), 40009),
            (Kind::Image, b"GIF89a".to_vec(), 40004),
            (Kind::Video, padded(mp4, 10 * MIB), 0),
            (Kind::Video, padded(mp4, 10 * MIB + 1), 40011),
            (Kind::Video, padded(b"AVI", 100), 40004),
            (Kind::Voice, amr(3000), 0),
            (Kind::Voice, amr(3050), 45007),
            (Kind::Voice, padded(AMR_HEAD, 2 * MIB + 1), 45001),
            (Kind::Voice, b"RIFFxxxx".to_vec(), 301017),
        ] {
            assert_eq!(code(kind, &bytes), expected, "{kind:?} of {}", bytes.len());
        }
    }
}
