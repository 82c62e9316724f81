//! Who may import whom. Data flows one way through the house; this test reads `src/` and names
//! the line that flows against it, or that keeps logic in a door.
//!
//! It reads tokens, not types: paths that begin with `crate::`, with enough `super::` to leave the
//! room, or, in `main.rs`, with the crate's name. That is every way from one room into another.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the paths that it may use besides its own.
const TABLE: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    // The commands that talk to a running gateway need its messages, and nothing else of its door.
    (
        "cli",
        &["gateway", "config", "telemetry", "sandbox", "grpc::pb"],
    ),
    (
        "gateway",
        &[
            "grpc",
            "bulk",
            "wecom",
            "store",
            "access",
            "session",
            "admin",
            "telemetry",
            "reload",
        ],
    ),
    ("grpc", &["bulk", "wecom", "store", "access", "session"]),
    ("bulk", &["wecom", "store"]),
    ("session", &["store"]),
    // Shares no structs with the client side, or it would prove nothing.
    ("sandbox", &["wecom::errcode"]),
    ("wecom", &[]),
    ("store", &[]),
    ("access", &[]),
    ("config", &[]),
    ("telemetry", &[]),
    ("reload", &[]),
    ("admin", &[]),
];

/// Names under which code gathers that belongs to no one.
const HOMELESS: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "types", "prelude",
];

/// Words that begin an item with logic or data of its own. A door has none.
const LOGIC: &[&str] = &[
    "fn",
    "struct",
    "enum",
    "union",
    "trait",
    "impl",
    "const",
    "static",
    "type",
    "macro_rules",
];

#[test]
fn imports_point_downward() {
    let breaches = over_sources(|file, tokens| upward(&file.module, tokens));
    assert!(
        breaches.is_empty(),
        "these lines import upward:\n{}",
        breaches.join("\n")
    );
}

#[test]
fn doors_hold_no_logic() {
    let breaches = over_sources(|file, tokens| if file.is_door { logic(tokens) } else { vec![] });
    assert!(
        breaches.is_empty(),
        "doors hold docs, `mod` and `use` only:\n{}",
        breaches.join("\n")
    );
}

#[test]
fn everything_has_a_home() {
    let breaches = over_sources(|file, tokens| {
        let mut found = homeless_modules(tokens);
        let own = file
            .module
            .iter()
            .filter(|name| HOMELESS.contains(&name.as_str()));
        found
            .extend(own.map(|name| (1, format!("give what is in `{name}` to the room it serves"))));
        found
    });
    assert!(
        breaches.is_empty(),
        "names for code without an owner:\n{}",
        breaches.join("\n")
    );
}

/// A line and what is wrong with it.
type Breach = (usize, String);

struct SourceFile {
    /// `["grpc", "server"]` for `src/grpc/server.rs`; `["main"]` for the binary; empty for `lib.rs`.
    module: Vec<String>,
    is_door: bool,
}

/// Runs `check` over every file of `src/` and prefixes what it finds with file and line.
fn over_sources(check: impl Fn(&SourceFile, &[Token]) -> Vec<Breach>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    assert!(paths.len() > 3, "src/ was not found");
    let mut found = Vec::new();
    for path in paths {
        let tokens = lex(&fs::read_to_string(&path).expect("a source file is readable UTF-8"));
        let shown = path.strip_prefix(root).expect("src/ lies below the root");
        for (line, what) in check(&source_file(shown), &tokens) {
            found.push(format!("{}:{line}: {what}", shown.display()));
        }
    }
    found
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .expect("src/ is readable")
        .flatten()
        .map(|e| e.path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// What a path below the root, `src/grpc/server.rs`, says about a file.
fn source_file(path: &Path) -> SourceFile {
    let mut module: Vec<String> = path
        .with_extension("")
        .iter()
        .skip(1)
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let is_door = matches!(module.last().map(String::as_str), Some("mod" | "lib"));
    if is_door {
        module.pop();
    }
    SourceFile { module, is_door }
}

/// The imports of a file that the table does not allow.
fn upward(module: &[String], tokens: &[Token]) -> Vec<Breach> {
    let Some(room) = module.first() else {
        return vec![];
    };
    let Some((_, allowed)) = TABLE.iter().find(|(name, _)| name == room) else {
        return vec![(
            1,
            format!("the room `{room}` is not in the table of tests/layers.rs"),
        )];
    };
    let forbidden = |path: &str| {
        let inside = |door: &str| path == door || path.starts_with(&format!("{door}::"));
        !inside(room) && !allowed.iter().any(|door| inside(door))
    };
    imports(module, tokens)
        .into_iter()
        .filter(|(_, path)| forbidden(path))
        .map(|(line, path)| (line, format!("`{room}` may not use `{path}`")))
        .collect()
}

/// Every path of `tokens` that starts at the root of the crate, with its line.
fn imports(file: &[String], tokens: &[Token]) -> Vec<(usize, String)> {
    // The binary is a crate of its own, to which the library is a stranger with a name.
    let is_main = file.first().is_some_and(|name| name == "main");
    let mut found = Vec::new();
    let mut modules = Modules::new(file.len());
    let mut at = 0;
    while at < tokens.len() {
        modules.step(tokens, at);
        let from = match word(tokens, at) {
            "crate" if !is_main => at + 1,
            "wecomgw" if is_main => at + 1,
            "super" if !is_main => {
                let mut end = at;
                let mut up = 0;
                while word(tokens, end) == "super" {
                    up += 1;
                    end += if word(tokens, end + 1) == "::" { 2 } else { 1 };
                }
                at = end;
                // Fewer steps stay inside of the room.
                if up < modules.depth() || word(tokens, end - 1) != "::" {
                    continue;
                }
                end - 1
            }
            _ => {
                at += 1;
                continue;
            }
        };
        at = from;
        if word(tokens, from) == "::" {
            tree(tokens, from + 1, "", &mut found);
        }
    }
    found
}

/// Reads the tree of paths `a::{b, c::d as e, self, *}` that begins at `at`; answers where it ends.
fn tree(tokens: &[Token], mut at: usize, prefix: &str, found: &mut Vec<(usize, String)>) -> usize {
    let mut path = prefix.to_owned();
    loop {
        let Some(token) = tokens.get(at) else {
            return at;
        };
        match token.text.as_str() {
            "{" => {
                at += 1;
                while at < tokens.len() && word(tokens, at) != "}" {
                    at = tree(tokens, at, &path, found);
                    while !matches!(word(tokens, at), "," | "}" | "") {
                        at += 1;
                    }
                    at += usize::from(word(tokens, at) == ",");
                }
                return at + 1;
            }
            "self" => {}
            segment => {
                path += if path.is_empty() { "" } else { "::" };
                path += segment;
            }
        }
        if word(tokens, at + 1) != "::" || word(tokens, at + 2) == "<" {
            found.push((token.line, path));
            return at + 1;
        }
        at += 2;
    }
}

/// How deep in modules the reading stands: the file's own, and the ones opened inside of it.
struct Modules {
    file: usize,
    braces: usize,
    /// The count of open braces inside of each open module.
    open: Vec<usize>,
}

impl Modules {
    fn new(file: usize) -> Self {
        Self {
            file,
            braces: 0,
            open: Vec::new(),
        }
    }

    fn depth(&self) -> usize {
        self.file + self.open.len()
    }

    fn step(&mut self, tokens: &[Token], at: usize) {
        match word(tokens, at) {
            "{" => {
                self.braces += 1;
                if at >= 2 && word(tokens, at - 2) == "mod" {
                    self.open.push(self.braces);
                }
            }
            "}" => {
                if self.open.last() == Some(&self.braces) {
                    self.open.pop();
                }
                self.braces = self.braces.saturating_sub(1);
            }
            _ => {}
        }
    }
}

/// The items of a door that are more than a door.
fn logic(tokens: &[Token]) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut brackets = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "[" => brackets += 1,
            "]" => brackets -= 1,
            // An attribute may say anything.
            _ if brackets > 0 => {}
            item if LOGIC.contains(&item) => {
                found.push((token.line, format!("`{item}` in a door")));
            }
            "mod" if word(tokens, at + 2) == "{" => {
                found.push((token.line, "a module with a body in a door".into()));
            }
            _ => {}
        }
    }
    found
}

fn homeless_modules(tokens: &[Token]) -> Vec<Breach> {
    let pairs = tokens.windows(2).filter(|pair| pair[0].text == "mod");
    let named = pairs.filter(|pair| HOMELESS.contains(&pair[1].text.as_str()));
    named
        .map(|pair| (pair[1].line, format!("module `{}`", pair[1].text)))
        .collect()
}

/// A word, a `::`, or any other single character; strings, comments and lifetimes are left out.
struct Token {
    line: usize,
    text: String,
}

/// The text of the token at `at`, empty past the end.
fn word(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| &token.text)
}

fn lex(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = measure(rest, first);
        let (text, after) = rest.split_at(length);
        if is_token {
            tokens.push(Token {
                line,
                text: text.trim_start_matches("r#").to_owned(),
            });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

/// How many bytes the next piece of `rest` has, and whether it is a token.
fn measure(rest: &str, first: char) -> (usize, bool) {
    if let Some(length) = comment(rest)
        .or_else(|| string(rest))
        .or_else(|| quote(rest))
    {
        return (length, false);
    }
    if rest.starts_with("::") {
        return (2, true);
    }
    if rest.starts_with("r#") || is_word(first) {
        let raw = if rest.starts_with("r#") { 2 } else { 0 };
        let end = rest[raw..]
            .find(|c| !is_word(c))
            .map_or(rest.len(), |end| raw + end);
        return (end.max(1), true);
    }
    (first.len_utf8(), !first.is_whitespace())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        let bytes = &rest.as_bytes()[at..];
        match (bytes.starts_with(b"/*"), bytes.starts_with(b"*/")) {
            (true, _) => (at, depth) = (at + 2, depth + 1),
            (_, true) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    Some(at)
}

/// A string of any kind: `"…"`, `b"…"`, `c"…"`, `r#"…"#`.
fn string(rest: &str) -> Option<usize> {
    let prefix = rest
        .find(|c| !matches!(c, 'b' | 'c' | 'r'))
        .filter(|length| *length <= 2)?;
    let is_raw = rest[..prefix].contains('r');
    let hashes = if is_raw {
        rest[prefix..].bytes().take_while(|b| *b == b'#').count()
    } else {
        0
    };
    let body = prefix + hashes + 1;
    if rest.as_bytes().get(body - 1) != Some(&b'"') {
        return None;
    }
    if is_raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(
            rest[body..]
                .find(&end)
                .map_or(rest.len(), |at| body + at + end.len()),
        );
    }
    let mut escaped = false;
    let end = rest[body..].find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(end.map_or(rest.len(), |at| body + at + 1))
}

/// A character, or a lifetime.
fn quote(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    if let Some(escape) = body.strip_prefix('\\') {
        let end = escape.char_indices().skip(1).find(|(_, c)| *c == '\'');
        return Some(end.map_or(rest.len(), |(at, _)| at + 3));
    }
    let mut chars = body.chars();
    let first = chars.next().map_or(0, char::len_utf8);
    if chars.next() == Some('\'') {
        return Some(first + 2);
    }
    Some(1 + body.find(|c| !is_word(c)).unwrap_or(body.len()))
}

mod the_parser {
    use super::*;

    /// The breaches of `source`, if it stood in the file of that path.
    fn breaches(path: &str, source: &str) -> Vec<Breach> {
        upward(&source_file(Path::new(path)).module, &lex(source))
    }

    fn lines(found: &[Breach]) -> Vec<usize> {
        found.iter().map(|(line, _)| *line).collect()
    }

    #[test]
    fn names_the_planted_line() {
        let source = "//! Docs.\n\nuse super::id;\nuse crate::grpc::status;\n";
        let found = breaches("src/wecom/client.rs", source);
        assert_eq!(
            found,
            [(4, "`wecom` may not use `grpc::status`".to_owned())]
        );
    }

    #[test]
    fn sees_groups_calls_globs_and_renames() {
        let source = "use crate::{\n    wecom::errcode,\n    store::{self, Store as Db},\n};\n\
                      fn f() { let x = crate::config::load::<u8>(); }\nuse crate::*;\n";
        assert_eq!(
            lines(&breaches("src/sandbox/api/auth.rs", source)),
            [3, 3, 5, 6]
        );
    }

    #[test]
    fn allows_one_file_of_a_room_without_the_room() {
        let only_errcode = "use crate::wecom::errcode::lookup;\nuse crate::wecom::errcode;\n";
        assert!(breaches("src/sandbox/fault.rs", only_errcode).is_empty());
        for more in [
            "use crate::wecom;",
            "use crate::wecom::{errcode, id};",
            "use crate::wecom::*;",
        ] {
            assert_eq!(
                lines(&breaches("src/sandbox/fault.rs", more)),
                [1],
                "{more}"
            );
        }
    }

    #[test]
    fn follows_super_out_of_the_room_and_no_less() {
        let stays = "use super::id;\nmod tests { use super::*; use super::super::id; }\n\
                     pub(super) fn f() {}\n";
        assert!(breaches("src/wecom/client.rs", stays).is_empty());
        let leaves = "use super::super::store;\n\
                      mod tests {\n use super::super::super::grpc::{a, b};\n}\n";
        assert_eq!(lines(&breaches("src/wecom/client.rs", leaves)), [1, 3, 3]);
        assert_eq!(
            lines(&breaches("src/admin.rs", "use super::gateway::Gateway;")),
            [1]
        );
    }

    #[test]
    fn skips_comments_strings_and_characters() {
        let source = "// crate::grpc::a\n/* /* crate::grpc::b */ crate::grpc::c */\n\
                      const A: &str = \"\\\" crate::grpc::d\";\n\
                      const B: &str = r#\"\" crate::grpc::e\"#;\n\
                      fn f<'a>(_: &'a str) -> char { if true { '\"' } else { '\\'' } }\n\
                      use crate::grpc::f;\n";
        assert_eq!(lines(&breaches("src/store/sqlite.rs", source)), [6]);
    }

    #[test]
    fn knows_the_binary_by_the_crates_name() {
        assert!(breaches("src/main.rs", "fn main() { wecomgw::cli::run() }").is_empty());
        assert_eq!(
            lines(&breaches("src/main.rs", "use wecomgw::{cli, gateway};")),
            [1]
        );
    }

    #[test]
    fn asks_for_a_row_of_every_room() {
        assert_eq!(lines(&breaches("src/attic/box.rs", "")), [1]);
    }

    #[test]
    fn tells_a_door_from_a_house() {
        let door = "//! Docs with fn and struct.\n#![allow(dead_code, reason = \"type\")]\n\
                    #[cfg(test)]\nmod tests;\npub mod errcode;\npub use error::{Error, Result};\n";
        assert!(logic(&lex(door)).is_empty());
        let house = "mod a;\npub(crate) fn f() {}\nmod tests {\n}\n";
        assert_eq!(lines(&logic(&lex(house))), [2, 3]);
        assert_eq!(lines(&homeless_modules(&lex("mod id;\nmod util;\n"))), [2]);
    }
}
