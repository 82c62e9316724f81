//! Departments (部门).
//!
//! Sources (read 2026-02): <https://developer.work.weixin.qq.com/document/path/90208>
//! (list), <https://developer.work.weixin.qq.com/document/path/95350> (simplelist),
//! <https://developer.work.weixin.qq.com/document/path/95351> (get).

use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::fields::Fields;
use super::user::answer;
use super::view::View;
use crate::sandbox::answer::Verdict;
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;
use crate::sandbox::directory::Department;
use crate::sandbox::token::Bearer;

pub(super) fn find(path: &str) -> Option<Endpoint> {
    use Endpoint::Directory;
    Some(match path {
        "department/list" => Directory(|corp, bearer, call| answer(list(corp, bearer, call))),
        "department/simplelist" => {
            Directory(|corp, bearer, call| answer(simplelist(corp, bearer, call)))
        }
        "department/get" => Directory(|corp, bearer, call| answer(get(corp, bearer, call))),
        _ => return None,
    })
}

fn list(corp: &Corp, bearer: Bearer, call: &Call) -> Verdict<Fields> {
    let view = View::of_details(corp, bearer)?;
    let list = wanted(&view, call)?;
    let list = list.into_iter().map(|department| full(&view, department));
    Ok(Map::from_iter([(
        "department".into(),
        list.collect::<Value>(),
    )]))
}

/// Ids are what the contact-sync secret may still read from everywhere.
fn simplelist(corp: &Corp, bearer: Bearer, call: &Call) -> Verdict<Fields> {
    let view = View::of_ids(corp, bearer);
    let list = wanted(&view, call)?;
    Ok(Map::from_iter([(
        "department_id".into(),
        list.into_iter().map(brief).collect::<Value>(),
    )]))
}

/// An object here, where the lists have arrays.
fn get(corp: &Corp, bearer: Bearer, call: &Call) -> Verdict<Fields> {
    let view = View::of_details(corp, bearer)?;
    let id = view.department(call.query("id"))?;
    let department = view.roster.department(id);
    let department = department.map(|department| full(&view, department));
    Ok(Map::from_iter([("department".into(), json!(department))]))
}

/// The department that is named and all below it, or all that the bearer sees.
fn wanted<'a>(view: &View<'a>, call: &Call) -> Verdict<Vec<&'a Department>> {
    let roster = view.roster;
    let Some(id) = call.query("id") else {
        let all = roster.departments().iter();
        return Ok(all.filter(|one| view.sees_department(one.id)).collect());
    };
    let ids = roster.subtree(view.department(Some(id))?);
    Ok(ids
        .into_iter()
        .filter_map(|id| roster.department(id))
        .collect())
}

fn brief(department: &Department) -> Fields {
    Map::from_iter([
        ("id".into(), department.id.into()),
        ("parentid".into(), department.parent_id.into()),
        ("order".into(), order(department).into()),
    ])
}

/// Departments made earlier come first.
fn order(department: &Department) -> u32 {
    100_000_000_u32.saturating_sub(department.id)
}

fn full(view: &View<'_>, department: &Department) -> Fields {
    let leader = view.leader(department.id).filter(|&seat| view.sees(seat));
    let leaders: Vec<&str> = leader
        .iter()
        .map(|&seat| &**view.roster.user_id(seat))
        .collect();
    let mut fields = brief(department);
    fields.insert("name".into(), department.name.as_str().into());
    fields.insert("department_leader".into(), leaders.into());
    // Not every department was given an English name.
    if department.id.is_multiple_of(2) {
        let name = format!("Department {}", department.id);
        fields.insert("name_en".into(), name.into());
    }
    fields
}
