//! Bad input: each row is a request that must not reach WeCom, with the exact fields
//! that the answer must name.

use serde_json::{Value, json};
use tonic::Code;

use super::super::harness::{APP, World, details, verdict};
use super::{
    ConvertToOpenId, ConvertToUserId, GetDepartment, GetTag, GetUser, ListDepartments, ListUserIds,
    ListUsers, ResolveUserId, Rpc, arrivals, with_app,
};

fn rows() -> Vec<(Rpc, Value, Vec<&'static str>)> {
    let a = |count: usize| "a".repeat(count);
    let mut rows = Vec::new();
    for rpc in [GetUser, ConvertToOpenId] {
        for user_id in [
            json!(""),
            json!("@all"),
            json!("a|b"),
            json!("zhang san"),
            json!("张三"),
            json!("_a"),
            json!(".a"),
            json!("a\u{0}"),
            json!("a&userid=b"),
            json!("a\u{202e}b"),
            json!(a(65)),
            json!(a(500_000)),
        ] {
            rows.push((rpc, json!({"user_id": user_id}), vec!["user_id"]));
        }
        rows.push((rpc, json!({}), vec!["user_id"]));
    }
    for mobile in [
        "",
        "1234",
        "138 0000 0000",
        "138\n00000000",
        &"1".repeat(33),
    ] {
        rows.push((ResolveUserId, json!({"mobile": mobile}), vec!["mobile"]));
    }
    for email in [
        "",
        "nobody",
        "a b@example.com",
        "a@b\u{0}",
        &format!("a@{}", a(253)),
    ] {
        rows.push((ResolveUserId, json!({"email": email}), vec!["email"]));
    }
    for (request, fields) in [
        (json!({}), vec!["key"]),
        (json!({"email_kind": 9}), vec!["email_kind", "key"]),
        (
            json!({"email": "x", "email_kind": 9}),
            vec!["email_kind", "email", "email"],
        ),
        (
            json!({"mobile": "10000000002", "email_kind": "EMAIL_KIND_CORP"}),
            vec!["email_kind"],
        ),
        (
            json!({"mobile": "1", "email_kind": "EMAIL_KIND_PERSONAL"}),
            vec!["mobile", "email_kind"],
        ),
    ] {
        rows.push((ResolveUserId, request, fields));
    }
    for open_id in [json!(""), json!("o x"), json!("o\t"), json!(a(65))] {
        rows.push((
            ConvertToUserId,
            json!({"open_id": open_id}),
            vec!["open_id"],
        ));
    }
    for (rpc, request, fields) in [
        (ListUsers, json!({}), vec!["department_id"]),
        (
            ListUsers,
            json!({"department_id": 2, "detail": 7}),
            vec!["detail"],
        ),
        (
            ListUsers,
            json!({"detail": -1, "recursive": true}),
            vec!["detail", "department_id"],
        ),
        (
            ListUserIds,
            json!({"resume_token": "a b"}),
            vec!["resume_token"],
        ),
        (
            ListUserIds,
            json!({"resume_token": a(1025)}),
            vec!["resume_token"],
        ),
        (ListDepartments, json!({"detail": 3}), vec!["detail"]),
        (GetDepartment, json!({}), vec!["department_id"]),
        (GetTag, json!({"tag_id": 0}), vec!["tag_id"]),
    ] {
        rows.push((rpc, request, fields));
    }
    rows
}

#[tokio::test]
async fn each_bad_request_names_its_fields_and_reaches_nobody() {
    let world = World::start().await;
    for (rpc, request, fields) in rows() {
        let status = rpc.call(&world, &with_app(&request)).await.unwrap_err();
        let expected = (Code::InvalidArgument, "INVALID_REQUEST".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?} {request}");
        let (_, _, info) = details(&status);
        let met: Vec<&str> = info
            .bad_request()
            .unwrap()
            .field_violations
            .iter()
            .map(|found| &*found.field)
            .collect();
        assert_eq!(met, fields, "{rpc:?} {request}");
    }
    // Nor does a stranger's app.
    let status = GetUser
        .call(
            &world,
            &json!({"app": format!("{APP}2"), "user_id": "zhangsan"}),
        )
        .await
        .unwrap_err();
    assert_eq!(verdict(&status), (Code::NotFound, "APP_NOT_FOUND".into()));
    assert!(arrivals(&world).await.is_empty());
    world.stop().await;
}
