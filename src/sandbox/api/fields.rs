//! Reading fields out of request JSON the way WeCom does: a field of the wrong
//! type is a field that is not there.

use serde_json::{Map, Value};

use crate::sandbox::answer::{Refusal, Verdict};

pub(super) type Fields = Map<String, Value>;

/// A string; empty when absent.
pub(super) fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number; 0 when absent.
pub(super) fn number(fields: &Fields, name: &str) -> i64 {
    fields.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// An object, when it is there.
pub(super) fn object<'a>(fields: &'a Fields, name: &str) -> Option<&'a Fields> {
    fields.get(name).and_then(Value::as_object)
}

/// The objects of a list; empty when absent.
pub(super) fn objects<'a>(fields: &'a Fields, name: &str) -> Vec<&'a Fields> {
    let list = fields.get(name).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect()
}

/// A string that must not be empty.
pub(super) fn required<'a>(
    fields: &'a Fields,
    name: &str,
    code: i64,
    words: &str,
) -> Verdict<&'a str> {
    match text(fields, name) {
        "" => Err(Refusal::new(code, words)),
        text => Ok(text),
    }
}

/// A string that must not be empty nor longer than `limit` bytes.
pub(super) fn bounded<'a>(
    fields: &'a Fields,
    name: &str,
    limit: usize,
    code: i64,
    words: &str,
) -> Verdict<&'a str> {
    let text = required(fields, name, code, words)?;
    if text.len() > limit {
        return Err(Refusal::new(code, words));
    }
    Ok(text)
}

/// Shortens a string to `limit` bytes, never inside a character, and says whether it did.
pub(super) fn cut_bytes(fields: &mut Fields, name: &str, limit: usize) -> bool {
    cut(fields, name, |text| text.floor_char_boundary(limit))
}

/// Shortens a string to `limit` characters, and says whether it did.
pub(super) fn cut_chars(fields: &mut Fields, name: &str, limit: usize) -> bool {
    cut(fields, name, |text| {
        let mut ends = text.char_indices();
        ends.nth(limit).map_or(text.len(), |(end, _)| end)
    })
}

fn cut(fields: &mut Fields, name: &str, end: impl FnOnce(&str) -> usize) -> bool {
    let Some(Value::String(text)) = fields.get_mut(name) else {
        return false;
    };
    let end = end(text);
    let longer = end < text.len();
    text.truncate(end);
    longer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_never_split_a_character() {
        for (text, limit, kept) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "abc"),
            ("中文", 5, "中"),
            ("中文", 6, "中文"),
            ("😀a", 3, ""),
        ] {
            let mut fields = Fields::from_iter([("t".into(), text.into())]);
            assert_eq!(cut_bytes(&mut fields, "t", limit), text != kept, "{text}");
            assert_eq!(super::text(&fields, "t"), kept);
        }
        let mut fields = Fields::from_iter([("t".into(), "查看详情吧".into())]);
        assert!(cut_chars(&mut fields, "t", 4));
        assert_eq!(text(&fields, "t"), "查看详情");
        assert!(!cut_chars(&mut fields, "t", 4));
    }
}
