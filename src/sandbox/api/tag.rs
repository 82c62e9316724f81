//! Tags (标签).
//!
//! Sources (read 2026-02): <https://developer.work.weixin.qq.com/document/path/90216>
//! (list), <https://developer.work.weixin.qq.com/document/path/90213> (get).

use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::fields::Fields;
use super::user::answer;
use super::view::View;
use crate::sandbox::answer::{Refusal, Verdict};
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;
use crate::sandbox::token::Bearer;

pub(super) fn find(path: &str) -> Option<Endpoint> {
    use Endpoint::Directory;
    Some(match path {
        "tag/list" => Directory(|corp, _, _| answer(Ok(list(corp)))),
        "tag/get" => Directory(|corp, bearer, call| answer(get(corp, bearer, call))),
        _ => return None,
    })
}

/// Every tag, whatever the bearer sees of those who have it.
fn list(corp: &Corp) -> Fields {
    let tags = corp.roster.directory.tags.iter();
    let list = tags.map(|tag| json!({"tagid": tag.id, "tagname": tag.name}));
    Map::from_iter([("taglist".into(), list.collect::<Value>())])
}

fn get(corp: &Corp, bearer: Bearer, call: &Call) -> Verdict<Fields> {
    let view = View::of_ids(corp, bearer);
    let id = call.query("tagid");
    let id = id.ok_or_else(|| Refusal::new(41017, "missing tagid"))?;
    let tags = &corp.roster.directory.tags;
    let id: Option<u32> = id.parse().ok();
    let tag = tags.iter().find(|tag| Some(tag.id) == id);
    let tag = tag.ok_or_else(|| Refusal::new(40068, "invalid tagid"))?;
    let seats = tag.user_ids.iter().filter_map(|id| corp.roster.seat(id));
    let users = seats.filter(|&seat| view.sees(seat)).map(|seat| {
        let member = corp.roster.member(seat);
        json!({"userid": member.user_id, "name": member.name})
    });
    let departments = tag.department_ids.iter();
    let departments = departments.filter(|&&id| view.sees_department(id)).copied();
    Ok(Map::from_iter([
        ("tagname".into(), tag.name.as_str().into()),
        ("userlist".into(), users.collect::<Value>()),
        ("partylist".into(), departments.collect::<Value>()),
    ]))
}
