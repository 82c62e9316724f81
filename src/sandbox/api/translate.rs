//! Id translation (id转译): `$userName=zhangsan$` becomes a name.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90236> (read 2026-02).

use serde_json::Value;

use super::fields::Fields;
use crate::sandbox::directory::Roster;

/// The fields of each type in which ids are translated. A field of a list is
/// translated in each of its entries.
fn translated(msg_type: &str) -> &'static [&'static [&'static str]] {
    match msg_type {
        "text" => &[&["content"]],
        "textcard" | "taskcard" | "interactive_taskcard" => &[&["title"], &["description"]],
        "news" => &[&["articles", "title"], &["articles", "description"]],
        "mpnews" => &[
            &["articles", "title"],
            &["articles", "digest"],
            &["articles", "content"],
        ],
        "miniprogram_notice" => &[&["title"], &["description"], &["content_item", "value"]],
        "template_card" => &[
            &["source", "desc"],
            &["main_title", "title"],
            &["main_title", "desc"],
            &["sub_title_text"],
            &["horizontal_content_list", "value"],
        ],
        _ => &[],
    }
}

/// Translates what the type allows. Patterns that are broken or name nobody stay.
pub(super) fn translate(roster: &Roster, msg_type: &str, content: &mut Fields) {
    for path in translated(msg_type) {
        if let Some((first, rest)) = path.split_first()
            && let Some(value) = content.get_mut(*first)
        {
            walk(roster, value, rest);
        }
    }
}

fn walk(roster: &Roster, value: &mut Value, path: &[&str]) {
    match (value, path) {
        (Value::Array(entries), _) => {
            entries
                .iter_mut()
                .for_each(|entry| walk(roster, entry, path));
        }
        (Value::String(text), []) => *text = names(roster, text),
        (Value::Object(fields), [first, rest @ ..]) => {
            if let Some(value) = fields.get_mut(*first) {
                walk(roster, value, rest);
            }
        }
        _ => {}
    }
}

fn names(roster: &Roster, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let pattern = after.split_once('$');
        match pattern.and_then(|(pattern, after)| Some((name(roster, pattern)?, after))) {
            Some((name, after)) => {
                out.push_str(name);
                rest = after;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}

fn name<'a>(roster: &'a Roster, pattern: &str) -> Option<&'a str> {
    let (what, id) = pattern.split_once('=')?;
    match what {
        "userName" | "userAlias" | "userAliasOrName" => {
            let seat = roster.seat(id)?;
            Some(&roster.member(seat).name)
        }
        "departmentName" => roster.department_name(id.parse().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::demo;

    #[test]
    fn known_ids_become_names_and_the_rest_stays() {
        let roster = Roster::new(demo::directory());
        for (text, expected) in [
            (
                "申请人：$userName=LILEI$，部门：$departmentName=2$",
                "申请人：李雷，部门：研发部",
            ),
            ("$userName=lisi$$userName=wangwu$", "李四王五"),
            ("$userName=nobody$ paid $5", "$userName=nobody$ paid $5"),
            ("$ $userName=lisi$ $", "$ 李四 $"),
            ("left open: $userName=lisi", "left open: $userName=lisi"),
        ] {
            assert_eq!(names(&roster, text), expected);
        }
    }

    #[test]
    fn only_the_listed_fields_are_touched() {
        let roster = Roster::new(demo::directory());
        let mut content = serde_json::json!({
            "title": "$userName=lisi$",
            "content_item": [{"key": "$userName=lisi$", "value": "$userName=lisi$"}],
        });
        let fields = content.as_object_mut().expect("an object");
        translate(&roster, "miniprogram_notice", fields);
        assert_eq!(content["title"], "李四");
        assert_eq!(content["content_item"][0]["key"], "$userName=lisi$");
        assert_eq!(content["content_item"][0]["value"], "李四");
    }
}
