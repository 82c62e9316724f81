//! Requests as they go out, answers as they are read, and the rules before both.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path as FilePath, PathBuf};

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::wecom::errcode::Class;
use crate::wecom::error::Refusal;
use crate::wecom::transport;

fn folder() -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cgi-bin")
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).expect(name)
}

/// The answer in `<name>.response.json`.
fn reply<R: DeserializeOwned>(name: &str) -> R {
    let answer = transport::decode(&bytes(&format!("{name}.response.json")));
    answer.expect("JSON").expect("a success")
}

/// The refusal in `<name>.json`.
fn refusal(name: &str) -> Refusal {
    let answer = transport::decode::<Value>(&bytes(&format!("{name}.json")));
    answer.expect("JSON").expect_err("a refusal")
}

/// The responses and errors of the family, by name.
fn answers() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for family in ["user", "department", "tag"] {
        for entry in fs::read_dir(folder().join(family)).expect("a folder") {
            let name = entry.expect("a file").file_name();
            let name = name.to_str().expect("UTF-8").to_owned();
            if !name.ends_with(".request.json") && !name.starts_with("getuserinfo") {
                names.insert(format!("{family}/{}", name.trim_end_matches(".json")));
            }
        }
    }
    names
}

#[test]
fn every_answer_of_the_fixtures_is_read() {
    let mut read = BTreeSet::new();
    let mut members = |name: &str| {
        read.insert(format!("{name}.response"));
        reply::<Members>(name).members
    };
    let brief = members("user/simplelist");
    assert_eq!((&*brief[0].user_id, &*brief[0].name), ("lin_x", "林小溪"));
    assert_eq!(brief[0].department_ids, [2, 5]);
    assert_eq!(brief[0].open_user_id, "woSandbox0000000013");
    assert!(brief[0].mobile.is_none() && brief[0].status == Status::Unknown);
    let full = members("user/list");
    assert_eq!(full[0].english_name, "Lin");
    assert_eq!(full[0].mobile.as_deref(), Some("10000000013"));

    for name in ["user/get.full", "user/get.restricted", "user/get.short"] {
        let member: Member = reply(name);
        assert_eq!(member.user_id, "lin_x", "{name}");
        let places: Vec<_> = member
            .places()
            .map(|p| (p.department_id, p.order))
            .collect();
        assert_eq!(places, [(2, 88), (5, 12)], "{name}");
        read.insert(format!("{name}.response"));
    }
    for name in [
        "user/getuserid",
        "user/get_userid_by_email",
        "user/convert_to_userid",
    ] {
        assert_eq!(reply::<FoundUserId>(name).user_id, "zhangsan", "{name}");
        read.insert(format!("{name}.response"));
    }
    let found: FoundOpenId = reply("user/convert_to_openid");
    assert_eq!(found.open_id, "oSandbox00000000000000000002");

    let page: IdPage = reply("user/list_id");
    let entries: Vec<_> = page
        .entries
        .iter()
        .map(|e| (&*e.user_id, e.department_id))
        .collect();
    assert_eq!(entries, [("lin_x", 2), ("lin_x", 5), ("he-jing", 2)]);
    assert_eq!(page.next_cursor, "entry-20000");
    let last: IdPage = reply("user/list_id.last_page");
    assert!(last.next_cursor.is_empty() && last.entries.len() == 1);

    let all: Departments = reply("department/list");
    let ids: DepartmentsBrief = reply("department/simplelist");
    let one: FoundDepartment = reply("department/get");
    assert_eq!(all.departments[0], one.department);
    assert_eq!(one.department.leader_user_ids, ["zhangsan", "lisi"]);
    assert_eq!((one.department.parent_id, one.department.order), (1, 70));
    let mut pairs = ids.departments.iter().zip(&all.departments);
    assert!(pairs.all(|(a, b)| (a.id, a.parent_id) == (b.id, b.parent_id)));
    assert!(ids.departments.len() == 2 && ids.departments[1].name.is_empty());

    let tags: Tags = reply("tag/list");
    assert_eq!(tags.tags[1].id, 2);
    let holders: TagHolders = reply("tag/get");
    assert_eq!(
        (&*holders.name, &*holders.users[0].user_id),
        ("羽毛球", "wangwu")
    );
    assert_eq!(holders.department_ids, [4]);

    for (name, class) in [
        ("user/get.error.60111", Class::NotFound),
        ("user/get.error.60011", Class::PermissionDenied),
        ("user/get.error.48009", Class::PermissionDenied),
        ("user/getuserid.error.46004", Class::NotFound),
        ("department/get.error.60003", Class::NotFound),
    ] {
        let refusal = refusal(name);
        assert!(name.ends_with(&refusal.errcode.to_string()), "{name}");
        assert_eq!(refusal.class(), Some(class), "{name}");
        read.insert(name.to_owned());
    }
    for name in [
        "user/convert_to_openid",
        "user/list_id",
        "user/list_id.last_page",
        "department/list",
        "department/simplelist",
        "department/get",
        "tag/list",
        "tag/get",
    ] {
        read.insert(format!("{name}.response"));
    }
    assert_eq!(read, answers());
}

#[test]
fn what_is_withheld_is_told_from_what_is_empty() {
    let full: Member = reply("user/get.full");
    let restricted: Member = reply("user/get.restricted");
    assert_eq!(full.email.as_deref(), Some(""), "nothing entered");
    assert_eq!(
        full.corp_email.as_deref(),
        Some("lin_x@sandbox.example.com")
    );
    assert!(restricted.email.is_none() && restricted.corp_email.is_none());
    assert!(restricted.mobile.is_none() && restricted.address.is_none());
    assert!(restricted.avatar_url.is_none() && restricted.thumbnail_avatar_url.is_none());
    assert!(restricted.qr_code_url.is_none() && restricted.external_profile.is_none());
    assert_eq!(
        (full.gender, restricted.gender),
        (Gender::Female, Gender::Unknown)
    );
    assert_eq!(restricted.position, "工程师");
}

#[test]
fn attributes_are_read_by_their_type() {
    let mut full: Member = reply("user/get.full");
    let attributes = full.take_attributes();
    assert_eq!(
        attributes[0].value,
        Some(AttributeValue::Text("7层012号".into()))
    );
    assert!(
        matches!(&attributes[1].value, Some(AttributeValue::Link(link)) if link.title == "内部主页")
    );
    let profile = full.external_profile.expect("a profile");
    assert!(matches!(
        &profile.attributes[2].value,
        Some(AttributeValue::MiniProgram(mini)) if mini.page_path == "pages/card"
    ));
    for odd in [
        json!({"type": 7, "name": "x", "else": {}}),
        json!({"type": 0, "name": "x"}),
        json!({"type": 1, "name": "x", "web": null}),
        json!({"name": "x", "web": {"url": "https://example.com"}}),
    ] {
        let attribute: Attribute = serde_json::from_value(odd.clone()).expect("an attribute");
        assert_eq!((&*attribute.name, attribute.value), ("x", None), "{odd}");
    }
}

#[test]
fn odd_fields_do_not_cost_the_whole_answer() {
    let odd = json!({
        "userid": "x", "name": null, "department": ["3", 4, null], "order": [1],
        "is_leader_in_dept": null, "direct_leader": null, "main_department": "3",
        "status": "1", "gender": 2, "extattr": null, "mobile": null,
        "external_profile": {}, "new_field": [{}],
    });
    let member: Member = serde_json::from_value(odd).expect("a member");
    let places: Vec<_> = member
        .places()
        .map(|p| (p.department_id, p.order, p.leader))
        .collect();
    assert_eq!(places, [(3, 1, false), (4, 0, false), (0, 0, false)]);
    assert_eq!(
        (member.main_department_id, member.status),
        (3, Status::Active)
    );
    assert_eq!((member.gender, member.mobile), (Gender::Female, None));
    let empty: Members = serde_json::from_value(json!({"userlist": null})).expect("a list");
    assert!(empty.members.is_empty());
    // Without an id it is no member.
    assert!(serde_json::from_value::<Member>(json!({"name": "x"})).is_err());
    assert!(serde_json::from_value::<FoundUserId>(json!({})).is_err());
}

fn body(payload: Payload) -> Value {
    match payload {
        Payload::Json(body) => serde_json::from_slice(&body).expect("JSON"),
        _ => panic!("no JSON"),
    }
}

#[test]
fn posts_are_those_of_the_fixtures() {
    let request = |name: &str| -> Value {
        serde_json::from_slice(&bytes(&format!("user/{name}.request.json"))).expect("JSON")
    };
    let by = ByMobile {
        mobile: "10000000002".into(),
    };
    assert_eq!(body(by.payload()), request("getuserid"));
    let mut by = ByEmail {
        email: "zhangsan@sandbox.example.com".into(),
        kind: Some(EmailKind::Corp),
    };
    assert_eq!(body(by.payload()), request("get_userid_by_email"));
    by.kind = None;
    assert_eq!(body(by.payload()).get("email_type"), None);
    let user_id = "zhangsan".into();
    assert_eq!(
        body(ToOpenId { user_id }.payload()),
        request("convert_to_openid")
    );
    let open_id = "oSandbox00000000000000000002".into();
    assert_eq!(
        body(ToUserId { open_id }.payload()),
        request("convert_to_userid")
    );
}

#[test]
fn gets_ask_in_their_query() {
    let query = |payload| match payload {
        Payload::Query(query) => query,
        _ => panic!("no query"),
    };
    let user_id = "lin_x".into();
    assert_eq!(
        query(Get { user_id }.payload()),
        [("userid", "lin_x".into())]
    );
    let department_id = 5;
    let expected = [("department_id", "5".to_owned())];
    assert_eq!(query(ListBrief { department_id }.payload()), expected);
    assert_eq!(query(ListFull { department_id }.payload()), expected);
    let department_id = Some(5);
    let expected = [("id", "5".to_owned())];
    assert_eq!(query(DepartmentList { department_id }.payload()), expected);
    assert_eq!(
        query(DepartmentListBrief { department_id }.payload()),
        expected
    );
    assert_eq!(
        query(GetDepartment { department_id: 5 }.payload()),
        expected
    );
    let department_id = None;
    assert_eq!(query(DepartmentList { department_id }.payload()), []);
    assert_eq!(query(ListTags.payload()), []);
    assert_eq!(
        query(GetTag { tag_id: 2 }.payload()),
        [("tagid", "2".into())]
    );
}

#[test]
fn only_ids_need_the_contacts_secret() {
    assert_eq!(Get::CREDENTIAL, Credential::Directory);
    assert_eq!(ListFull::CREDENTIAL, Credential::Directory);
    assert_eq!(DepartmentListBrief::CREDENTIAL, Credential::Directory);
    assert_eq!(GetTag::CREDENTIAL, Credential::Directory);
    assert_eq!(ByMobile::CREDENTIAL, Credential::App);
    assert_eq!(ToOpenId::CREDENTIAL, Credential::App);
}

fn faults(check: impl FnOnce(&mut Checker)) -> Vec<String> {
    let mut found = Checker::default();
    check(&mut found);
    let found = found.into_violations().into_iter();
    found
        .map(|one| format!("{}: {}", one.field, one.description))
        .collect()
}

#[test]
fn keys_are_checked_in_bytes() {
    let mobile = |mobile: &str| {
        let mobile = mobile.to_owned();
        faults(|found| ByMobile { mobile }.check(found))
    };
    for good in ["12345", "+8610012345678", &"1".repeat(32)] {
        assert!(mobile(good).is_empty(), "{good}");
    }
    assert_eq!(mobile(""), ["mobile: required"]);
    assert_eq!(mobile("1234"), ["mobile: 4 bytes, at least 5 are needed"]);
    assert_eq!(
        mobile(&"1".repeat(33)),
        ["mobile: 33 bytes, the limit is 32"]
    );
    assert_eq!(mobile("138 0000").len(), 1);
    let email = |email: &str| {
        let email = email.to_owned();
        faults(|found| ByEmail { email, kind: None }.check(found))
    };
    assert!(email("a@b").is_empty());
    assert_eq!(email(""), ["email: required"]);
    assert_eq!(email("ab").len(), 2, "too short, and no @");
    assert_eq!(email("nobody"), ["email: must contain an `@`"]);
    assert_eq!(email(&format!("{}@b", "a".repeat(253))).len(), 1);
    let everyone = Get {
        user_id: "@all".into(),
    };
    assert_eq!(
        faults(|found| everyone.check(found)),
        ["user_id: must begin with a letter or digit"]
    );
}

#[test]
fn a_member_shows_no_particulars_in_debug() {
    let member: Member = reply("user/get.full");
    let shown = format!("{member:?}");
    assert!(
        shown.contains("lin_x") && !shown.contains("10000000013"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn no_json_makes_a_member_panic(text in "\\PC{0,20}", number in any::<i64>(), kind in 0u8..4) {
        let odd = match kind {
            0 => json!({"userid": text, "order": [number], "status": number, "gender": text}),
            1 => json!({"userid": text, "department": [text, number], "main_department": number}),
            2 => json!({"userid": text, "extattr": {"attrs": [{"type": number, "name": text}]}}),
            _ => json!({"userid": text, "external_profile": {"wechat_channels": {"status": text}}}),
        };
        let member: Member = serde_json::from_value(odd).expect("a member");
        prop_assert_eq!(member.user_id, text);
    }
}
