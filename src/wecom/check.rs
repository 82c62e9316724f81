//! Collects every broken rule of a request in one pass.
//!
//! A valid request costs no allocation: a [`Path`] is a list on the stack and
//! becomes text only for a [`Violation`].

use std::fmt;
use std::ops::RangeInclusive;

use super::id;
use super::violation::Violation;

/// Longest link that WeCom takes, in bytes.
///
/// Source: <https://developer.work.weixin.qq.com/document/path/90236>, `url`.
pub const URL_MAX_BYTES: usize = 2048;

/// For texts whose length WeCom only advises on. They are bounded by the size
/// of a gRPC message.
pub const ANY_LENGTH: usize = usize::MAX;

/// Where a field stands in the request, spelled as in the contract.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment,
}

#[derive(Debug, Clone, Copy)]
enum Segment {
    Root,
    Field(&'static str),
    Index(usize),
}

impl Path<'_> {
    /// The request itself.
    pub const ROOT: Path<'static> = Path {
        parent: None,
        segment: Segment::Root,
    };

    /// The field `name` of the message at this path.
    pub fn field(&self, name: &'static str) -> Path<'_> {
        Path {
            parent: Some(self),
            segment: Segment::Field(name),
        }
    }

    /// The item `index` of the list at this path.
    pub fn at(&self, index: usize) -> Path<'_> {
        Path {
            parent: Some(self),
            segment: Segment::Index(index),
        }
    }

    fn is_root(&self) -> bool {
        matches!(self.segment, Segment::Root)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}")?;
        }
        match self.segment {
            Segment::Root => Ok(()),
            Segment::Index(index) => write!(f, "[{index}]"),
            Segment::Field(name) if self.parent.is_none_or(Path::is_root) => f.write_str(name),
            Segment::Field(name) => write!(f, ".{name}"),
        }
    }
}

/// The rules that many fields share, and the list of those that were broken.
#[derive(Debug, Default)]
pub struct Checker {
    violations: Vec<Violation>,
}

impl Checker {
    /// Everything found, in the order of the fields.
    pub fn into_violations(self) -> Vec<Violation> {
        self.violations
    }

    /// Notes a broken rule. `format_args!` keeps the good case free of work.
    pub fn add(&mut self, path: &Path<'_>, description: fmt::Arguments<'_>) {
        self.violations
            .push(Violation::new(path.to_string(), description.to_string()));
    }

    /// A text within `bytes` bytes of UTF-8 and without NUL. A range from 1 makes
    /// it required.
    pub fn text(&mut self, path: &Path<'_>, value: &str, bytes: RangeInclusive<usize>) {
        if value.is_empty() {
            if *bytes.start() > 0 {
                self.add(path, format_args!("required"));
            }
            return;
        }
        if value.len() > *bytes.end() {
            self.over(path, value.len(), "bytes", *bytes.end());
        }
        self.no_nul(path, value);
    }

    /// A text within `characters` Unicode characters and without NUL, which may
    /// be left out.
    pub fn characters(&mut self, path: &Path<'_>, value: &str, characters: RangeInclusive<usize>) {
        if value.is_empty() {
            return;
        }
        let actual = value.chars().count();
        if actual > *characters.end() {
            self.over(path, actual, "characters", *characters.end());
        } else if actual < *characters.start() {
            let least = characters.start();
            self.add(
                path,
                format_args!("{actual} characters, at least {least} are needed"),
            );
        }
        self.no_nul(path, value);
    }

    /// Like [`Checker::characters`], but the text must be there.
    pub fn required_characters(
        &mut self,
        path: &Path<'_>,
        value: &str,
        characters: RangeInclusive<usize>,
    ) {
        if value.is_empty() {
            self.add(path, format_args!("required"));
        }
        self.characters(path, value, characters);
    }

    /// An id that WeCom or its platform made up: within `bytes`, and free of
    /// blanks and control characters.
    pub fn opaque(&mut self, path: &Path<'_>, value: &str, bytes: RangeInclusive<usize>) {
        if value.chars().any(is_blank) {
            self.add(
                path,
                format_args!("must not contain blanks or control characters"),
            );
            return;
        }
        self.text(path, value, bytes);
    }

    /// Notes what is wrong with an id, if anything.
    pub fn id(&mut self, path: &Path<'_>, verdict: Result<(), id::Fault>) {
        if let Err(fault) = verdict {
            self.add(path, format_args!("{fault}"));
        }
    }

    /// A link that must be there.
    pub fn required_url(&mut self, path: &Path<'_>, value: &str) {
        if value.is_empty() {
            self.add(path, format_args!("required"));
        }
        self.url(path, value);
    }

    /// A link that may be left out: http or https with a host, no blanks.
    pub fn url(&mut self, path: &Path<'_>, value: &str) {
        if value.is_empty() {
            return;
        }
        if value.len() > URL_MAX_BYTES {
            self.over(path, value.len(), "bytes", URL_MAX_BYTES);
        }
        if value.chars().any(is_blank) {
            self.add(
                path,
                format_args!("must not contain blanks or control characters"),
            );
        }
        if !has_web_host(value) {
            self.add(
                path,
                format_args!("must begin with http:// or https:// and name a host"),
            );
        }
    }

    /// A list of `count` items. Gives back the items worth checking: never more
    /// than the limit, so that an endless list costs no endless time.
    pub fn list<'v, T>(
        &mut self,
        path: &Path<'_>,
        items: &'v [T],
        count: RangeInclusive<usize>,
    ) -> &'v [T] {
        let (least, most) = (*count.start(), *count.end());
        if items.len() > most {
            self.over(path, items.len(), "items", most);
        } else if items.len() < least {
            self.add(path, format_args!("required: {least} to {most} items"));
        }
        &items[..items.len().min(most)]
    }

    /// No two items of a short list have the same key, which stands in `field`
    /// of each.
    pub fn unique<'v, T>(
        &mut self,
        list: &Path<'_>,
        field: &'static str,
        items: &'v [T],
        key: impl Fn(&'v T) -> &'v str,
    ) {
        for (index, item) in items.iter().enumerate() {
            let value = key(item);
            let first = items[..index].iter().position(|other| key(other) == value);
            if let Some(first) = first.filter(|_| !value.is_empty()) {
                self.add(
                    &list.at(index).field(field),
                    format_args!("must be unique, item {first} has the same"),
                );
            }
        }
    }

    fn over(&mut self, path: &Path<'_>, actual: usize, unit: &str, limit: usize) {
        self.add(path, format_args!("{actual} {unit}, the limit is {limit}"));
    }

    fn no_nul(&mut self, path: &Path<'_>, value: &str) {
        // `contains` reads a word at a time, `position` a byte: the place is only
        // looked for when there is one.
        if !value.as_bytes().contains(&0) {
            return;
        }
        let position = value.find('\0').unwrap_or_default();
        self.add(
            path,
            format_args!("NUL is not allowed, byte {position} is one"),
        );
    }
}

fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

fn has_web_host(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    web && !host.is_empty() && !host.starts_with(':')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(check: impl FnOnce(&mut Checker, &Path<'_>)) -> Vec<String> {
        let mut checker = Checker::default();
        check(&mut checker, &Path::ROOT.field("f"));
        let violations = checker.into_violations().into_iter();
        violations.map(|found| found.description).collect()
    }

    #[test]
    fn path_is_spelled_as_in_the_contract() {
        let content = Path::ROOT.field("content");
        let articles = content.field("articles");
        assert_eq!(
            articles.at(2).field("url").to_string(),
            "content.articles[2].url"
        );
        assert_eq!(Path::ROOT.to_string(), "");
    }

    #[test]
    fn links_need_a_scheme_and_a_host() {
        for good in [
            "https://example.com",
            "HTTP://example.com:8080/a?b=c#d",
            "https://用户.example/路径",
            "http://[::1]/",
        ] {
            assert!(found(|c, p| c.url(p, good)).is_empty(), "{good}");
        }
        for bad in [
            "example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "https://",
            "https:///path",
            "https://:443/",
            "https://user@/",
            "https://?q",
            "//example.com",
        ] {
            assert_eq!(found(|c, p| c.url(p, bad)).len(), 1, "{bad}");
        }
        for blank in [
            "https://example.com/a b",
            "https://example.com/\r\n",
            "https://e\0",
        ] {
            assert_eq!(
                found(|c, p| c.url(p, blank)),
                ["must not contain blanks or control characters"]
            );
        }
    }

    #[test]
    fn link_may_be_2048_bytes_long() {
        let longest = format!("https://e/{}", "a".repeat(URL_MAX_BYTES - 10));
        assert!(found(|c, p| c.url(p, &longest)).is_empty());
        assert_eq!(
            found(|c, p| c.url(p, &format!("{longest}a"))),
            ["2049 bytes, the limit is 2048"]
        );
    }

    #[test]
    fn endless_list_is_cut_to_its_limit() {
        let items = vec![(); 1_000_000];
        let mut checker = Checker::default();
        assert_eq!(checker.list(&Path::ROOT, &items, 1..=8).len(), 8);
        assert_eq!(
            checker.into_violations()[0].description,
            "1000000 items, the limit is 8"
        );
    }

    proptest! {
        #[test]
        fn limit_counts_bytes_whatever_the_script(text in "\\PC{0,40}", limit in 0usize..60) {
            let complaints = found(|c, p| c.text(p, &text, 0..=limit));
            prop_assert_eq!(complaints.is_empty(), text.len() <= limit);
        }

        #[test]
        fn any_string_is_judged_without_panic(text in any::<String>()) {
            found(|c, p| { c.url(p, &text); c.opaque(p, &text, 1..=9); c.characters(p, &text, 4..=12); });
        }
    }
}
