//! Reading a multipart upload as narrowly as WeCom does.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90253> (read 2026-02).

use bytes::Bytes;

use crate::sandbox::answer::{Refusal, Verdict};
use crate::sandbox::call::Call;

/// The one part that counts in media/upload.
const PART: &str = "media";

/// A file as uploaded.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) file_name: String,
    pub(super) bytes: Bytes,
}

/// The part named `media`. Anything else — another name, no file name, the
/// `filename*=` of RFC 2231, no bytes — is an empty upload.
pub(super) fn read(call: &Call) -> Verdict<Upload> {
    full(find(&call.content_type, &call.body, is_media))
}

/// The first file, whatever the name of its part, if it says what it is.
pub(super) fn read_any(call: &Call) -> Verdict<Upload> {
    full(find(&call.content_type, &call.body, is_typed))
}

fn full(upload: Option<Upload>) -> Verdict<Upload> {
    let upload = upload.filter(|upload| !upload.bytes.is_empty());
    upload.ok_or_else(|| Refusal::new(44001, "empty media data"))
}

fn find(content_type: &str, body: &Bytes, counts: fn(&Part<'_>) -> bool) -> Option<Upload> {
    let boundary = boundary(content_type)?;
    let delimiter = format!("\r\n--{boundary}");
    let mut at = position(body, &delimiter.as_bytes()[2..])? + delimiter.len() - 2;
    while body[at..].starts_with(b"\r\n") {
        let head = at + 2;
        let blank = head + position(&body[head..], b"\r\n\r\n")?;
        let start = blank + 4;
        let end = start + position(&body[start..], delimiter.as_bytes())?;
        let header = String::from_utf8_lossy(&body[head..blank]);
        let part = Part::read(&header).filter(counts);
        if let Some(file_name) = part.and_then(|part| part.file_name) {
            let bytes = body.slice(start..end);
            return Some(Upload { file_name, bytes });
        }
        at = end + delimiter.len();
    }
    None
}

fn boundary(content_type: &str) -> Option<&str> {
    if !content_type
        .to_ascii_lowercase()
        .starts_with("multipart/form-data")
    {
        return None;
    }
    let (_, boundary) = content_type.split_once("boundary=")?;
    let boundary = boundary.split(';').next().unwrap_or_default().trim();
    Some(boundary.trim_matches('"')).filter(|boundary| !boundary.is_empty())
}

/// What a part's headers say.
struct Part<'a> {
    name: Option<String>,
    /// None for an empty one, and beside the `filename*` of RFC 2231.
    file_name: Option<String>,
    content_type: Option<&'a str>,
}

impl<'a> Part<'a> {
    fn read(header: &'a str) -> Option<Self> {
        let value_of = |wanted: &str| {
            header.split("\r\n").find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then_some(value.trim())
            })
        };
        let parameters = parameters(value_of("content-disposition")?);
        let get = |name: &str| {
            let mut found = parameters.iter().filter(|(key, _)| key == name);
            found.next().map(|(_, value)| value.clone())
        };
        let extended = get("filename*").is_some();
        Some(Self {
            name: get("name"),
            file_name: get("filename").filter(|name| !name.is_empty() && !extended),
            content_type: value_of("content-type"),
        })
    }
}

fn is_media(part: &Part<'_>) -> bool {
    part.name.as_deref() == Some(PART)
}

fn is_typed(part: &Part<'_>) -> bool {
    part.file_name.is_some() && part.content_type.is_some()
}

/// `name="media"; filename="a\"b.txt"` in pairs; quotes may hide a semicolon.
fn parameters(disposition: &str) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    let (mut key, mut value) = (String::new(), None::<String>);
    let mut quoted = false;
    let mut chars = disposition.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => value.as_mut().unwrap_or(&mut key).extend(chars.next()),
            ';' if !quoted => {
                let pair = (std::mem::take(&mut key), value.take());
                parameters.push(pair);
            }
            '=' if !quoted && value.is_none() => value = Some(String::new()),
            _ => value.as_mut().unwrap_or(&mut key).push(c),
        }
    }
    parameters.push((key, value));
    let whole = parameters
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    whole
        .map(|(key, value)| (key.trim().to_ascii_lowercase(), value))
        .collect()
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    // Looking for the first byte alone keeps a 20 MB file cheap to read.
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|&byte| byte == first) {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(disposition: &str, bytes: &str) -> Option<(String, Bytes)> {
        let body = format!(
            "--xx\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nnot me\r\n\
             --xx\r\nContent-Disposition: form-data; {disposition}\r\n\
             Content-Type: text/plain\r\n\r\n{bytes}\r\n--xx--\r\n"
        );
        let upload = find(
            "multipart/form-data; boundary=\"xx\"",
            &body.into(),
            is_media,
        )?;
        Some((upload.file_name, upload.bytes))
    }

    #[test]
    fn only_the_media_part_with_a_plain_file_name_counts() {
        for (disposition, file_name) in [
            (
                r#"name="media"; filename="周报.txt"; filelength=5"#,
                Some("周报.txt"),
            ),
            (
                r#"name="media";filename="a;\"b\".txt""#,
                Some("a;\"b\".txt"),
            ),
            (r#"name=media; filename=plain.txt"#, Some("plain.txt")),
            (r#"name="media"; filename*=utf-8''%E5%91%A8.txt"#, None),
            (r#"name="file"; filename="a.txt""#, None),
            (r#"name="media""#, None),
        ] {
            let found = part(disposition, "a\r\n--x b");
            let expected = file_name.map(|name| (name.to_owned(), "a\r\n--x b".into()));
            assert_eq!(found, expected, "{disposition}");
        }
    }

    #[test]
    fn broken_multipart_is_no_upload() {
        for (content_type, body) in [
            ("application/json", "--xx\r\n\r\n\r\n--xx--"),
            ("multipart/form-data", "--xx--"),
            ("multipart/form-data; boundary=xx", ""),
            ("multipart/form-data; boundary=xx", "--xx"),
            (
                "multipart/form-data; boundary=xx",
                "--xx\r\nContent-Disposition: a",
            ),
            (
                "multipart/form-data; boundary=xx",
                "--xx\r\n\r\n\r\nnever closed",
            ),
        ] {
            assert!(
                find(content_type, &body.into(), is_media).is_none(),
                "{body}"
            );
        }
    }
}
