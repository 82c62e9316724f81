//! WeCom's error texts (`errmsg`), taken apart.
//!
//! A text usually ends in a tail of three parts, of which any may be missing: a hint
//! id that WeCom's support asks for, the IP address that the call came from, and a
//! link to the code's page
//! (<https://developer.work.weixin.qq.com/document/path/90313>, read 2026-07-26).
//! The address is our own way out to the internet: it must not travel to callers with
//! the text, yet it is just what an operator needs when WeCom refuses it (60020).

use std::net::IpAddr;

/// The most of a text that is kept, in bytes. The longest one seen has about 200.
pub(super) const MAX_TEXT_BYTES: usize = 1024;

/// The longest spelling of an IP address: an IPv6 one that ends in an IPv4 one, as in
/// `0000:0000:0000:0000:0000:ffff:255.255.255.255`.
const LONGEST_IP: usize = 45;

/// What stands in a text where an address stood.
const REDACTED: &str = "[ip]";

/// An error text in its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cleaned {
    /// The text without its tail. Holds no IP address, and at most [`MAX_TEXT_BYTES`] bytes.
    pub(super) text: String,
    /// WeCom's id of this answer, which its support asks for.
    pub(super) hint_id: Option<String>,
    /// The address that the call came from. For operators only, and of use with 60020 only.
    pub(super) refused_ip: Option<IpAddr>,
}

/// Splits the tail off `errmsg` and blots out every address that is left.
pub(super) fn clean(errmsg: &str) -> Cleaned {
    // From the back, because the order of the parts is fixed and each may be missing.
    let rest = errmsg
        .rsplit_once("more info at")
        .map_or(errmsg, |(before, _)| before);
    let (rest, refused_ip) = match trim(rest).rsplit_once("from ip:") {
        Some((before, ip)) => (before, ip.trim().parse().ok()),
        None => (rest, None),
    };
    let (rest, hint_id) = match split_hint(trim(rest)) {
        Some((before, id)) => (before, Some(id)),
        None => (rest, None),
    };
    let mut text = redact(shorten(trim(rest)));
    // Blotting out lengthens a text when the address was a short one, such as "::".
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    Cleaned {
        text,
        hint_id,
        refused_ip,
    }
}

fn trim(part: &str) -> &str {
    part.trim_end_matches([',', ' ']).trim_start()
}

/// `text, hint: [id]` into `text` and `id`; `None` if the text does not end so.
fn split_hint(text: &str) -> Option<(&str, String)> {
    let (before, id) = text.strip_suffix(']')?.rsplit_once("hint: [")?;
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain.then(|| (before, id.to_owned()))
}

/// Cuts an overlong text, and with it an address that the cut went through.
fn shorten(text: &str) -> &str {
    if text.len() <= MAX_TEXT_BYTES {
        return text;
    }
    let kept = &text[..text.floor_char_boundary(MAX_TEXT_BYTES)];
    kept.trim_end_matches(is_address_char)
}

/// Puts [`REDACTED`] in place of every run of address characters that an address can be
/// read from. Rather a word too many ("a::b") than an address too few.
fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_address_char) {
        let (before, run_on) = rest.split_at(start);
        let end = run_on.find(|c| !is_address_char(c)).unwrap_or(run_on.len());
        let (run, after) = run_on.split_at(end);
        clean.push_str(before);
        clean.push_str(if holds_address(run) { REDACTED } else { run });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

fn is_address_char(c: char) -> bool {
    c.is_ascii_hexdigit() || c == ':' || c == '.'
}

fn holds_address(run: &str) -> bool {
    // An address has two colons or three dots; most runs are letters of a word.
    let marks = run.bytes().filter(|b| matches!(b, b':' | b'.')).count();
    marks >= 2
        && (0..run.len()).any(|from| {
            let until = run.len().min(from + LONGEST_IP);
            (from + 2..=until).any(|to| run[from..to].parse::<IpAddr>().is_ok())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn whole_tail_comes_apart() {
        let cleaned = clean(
            "this door stays shut , hint: [1700000001_12_00ff], from ip: 198.51.100.9, more info at https://example.com/query?e=60020",
        );
        assert_eq!(cleaned.text, "this door stays shut");
        assert_eq!(cleaned.hint_id.as_deref(), Some("1700000001_12_00ff"));
        assert_eq!(
            cleaned.refused_ip,
            Some(Ipv4Addr::new(198, 51, 100, 9).into())
        );
    }

    #[test]
    fn any_part_of_the_tail_may_be_missing() {
        let ip = Some(Ipv4Addr::new(198, 51, 100, 9).into());
        for (errmsg, hint_id, refused_ip) in [
            ("no luck", None, None),
            ("no luck, hint: [12]", Some("12"), None),
            ("no luck, from ip: 198.51.100.9", None, ip),
            ("no luck, more info at https://example.com", None, None),
            (
                "no luck, hint: [12], more info at https://example.com",
                Some("12"),
                None,
            ),
            ("no luck, hint: [12], from ip: 198.51.100.9", Some("12"), ip),
            (
                "no luck, from ip: 198.51.100.9, more info at https://example.com",
                None,
                ip,
            ),
        ] {
            let expected = Cleaned {
                text: "no luck".into(),
                hint_id: hint_id.map(Into::into),
                refused_ip,
            };
            assert_eq!(clean(errmsg), expected, "{errmsg}");
        }
    }

    #[test]
    fn text_that_only_looks_like_a_tail_stays() {
        assert_eq!(clean("hint: [not an id]").text, "hint: [not an id]");
        assert_eq!(clean("").text, "");
        assert_eq!(
            clean("at 12:30, version 1.2, 50.5% of 3 cafés").text.len(),
            40
        );
    }

    #[test]
    fn address_inside_the_text_is_blotted_out() {
        assert_eq!(clean("198.51.100.9 is barred").text, "[ip] is barred");
        assert_eq!(
            clean("from [2001:db8::1]:443 came").text,
            "from [[ip]]:443 came"
        );
        assert_eq!(clean("came from ip: 10.0.0.1 (dev)").refused_ip, None);
    }

    #[test]
    fn overlong_text_is_cut_without_leaving_half_an_address() {
        let cleaned = clean(&format!(
            "{} 198.51.100.9 end",
            "x".repeat(MAX_TEXT_BYTES - 9)
        ));
        assert_eq!(cleaned.text.trim_end(), "x".repeat(MAX_TEXT_BYTES - 9));
    }

    /// Whether an address can be read anywhere in `text`, looked for in the plainest way.
    fn any_address(text: &str) -> bool {
        let starts = text.char_indices().map(|(at, _)| at);
        starts.into_iter().any(|from| {
            let ends = text[from..]
                .char_indices()
                .map(|(at, c)| from + at + c.len_utf8());
            ends.take(LONGEST_IP)
                .any(|to| text[from..to].parse::<IpAddr>().is_ok())
        })
    }

    fn address() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<Ipv4Addr>().prop_map(|ip| ip.to_string()),
            any::<Ipv6Addr>().prop_map(|ip| ip.to_string()),
            any::<Ipv6Addr>().prop_map(|ip| ip.to_string().to_uppercase()),
            any::<Ipv4Addr>().prop_map(|ip| ip.to_ipv6_mapped().to_string()),
            any::<[u16; 8]>().prop_map(|parts| parts.map(|part| format!("{part:04x}")).join(":")),
        ]
    }

    proptest! {
        #[test]
        fn no_address_ever_stays(
            before in "[ -~é]{0,40}", ip in address(), after in "[ -~中]{0,40}",
            hint in "|, hint: \\[[0-9a-f_]{0,20}\\]", from in "|, from ip: ",
            tail_ip in address(), link in "|, more info at https://example.com/e",
        ) {
            let tail_ip = if from.is_empty() { "" } else { &tail_ip };
            let cleaned = clean(&format!("{before}{ip}{after}{hint}{from}{tail_ip}{link}"));
            prop_assert!(!any_address(&cleaned.text), "{:?}", cleaned.text);
            prop_assert!(!cleaned.hint_id.is_some_and(|id| any_address(&id)));
        }

        #[test]
        fn no_text_is_too_long_or_breaks_us(errmsg in "(?s)[:. a-f]{0,1500}|.{0,2000}") {
            let cleaned = clean(&errmsg);
            prop_assert!(cleaned.text.len() <= MAX_TEXT_BYTES);
            prop_assert!(!any_address(&cleaned.text));
        }
    }
}
