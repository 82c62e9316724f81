use std::fs;
use std::path::Path as FilePath;

use super::*;

/// The member of a fixture, converted.
fn converted(name: &str) -> pb::User {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join(format!(
        "tests/fixtures/cgi-bin/user/get.{name}.response.json"
    ));
    let bytes = fs::read(path).expect("a fixture");
    user(serde_json::from_slice(&bytes).expect("a member"))
}

#[test]
fn a_whole_member_keeps_every_field() {
    let user = converted("full");
    let expected = pb::User {
        user_id: "lin_x".into(),
        name: "林小溪".into(),
        departments: vec![
            pb::UserDepartment {
                department_id: 2,
                order: 88,
                leader: false,
            },
            pb::UserDepartment {
                department_id: 5,
                order: 12,
                leader: true,
            },
        ],
        main_department_id: 2,
        position: "工程师".into(),
        leader_user_ids: vec!["zhangsan".into()],
        alias: "溪".into(),
        english_name: String::new(),
        telephone: "000-0013".into(),
        status: pb::UserStatus::Active.into(),
        gender: pb::UserGender::Female.into(),
        mobile: Some("10000000013".into()),
        email: Some(String::new()),
        corp_email: Some("lin_x@sandbox.example.com".into()),
        avatar_url: Some("https://avatar.example.com/13/0".into()),
        thumbnail_avatar_url: Some("https://avatar.example.com/13/100".into()),
        qr_code_url: Some("https://card.example.com/qr?member=13".into()),
        address: Some("沙盒市纸船路13号".into()),
        attributes: user.attributes.clone(),
        external_position: "技术顾问".into(),
        external_profile: user.external_profile.clone(),
        open_user_id: "woSandbox0000000013".into(),
    };
    assert_eq!(user, expected);
    let profile = user.external_profile.expect("a profile");
    assert_eq!(profile.corp_name, "沙盒");
    assert_eq!(
        profile.wechat_channels.map(|channels| channels.status),
        Some(1)
    );
    let values = user.attributes.iter().chain(&profile.attributes);
    let kinds: Vec<_> = values
        .map(|attribute| attribute.value.as_ref().map(kind))
        .collect();
    let (text, link, mini) = (Some("text"), Some("link"), Some("mini_program"));
    assert_eq!(kinds, [text, link, text, link, mini]);
}

fn kind(value: &pb::user_attribute::Value) -> &'static str {
    use pb::user_attribute::Value;
    match value {
        Value::Text(_) => "text",
        Value::Link(_) => "link",
        Value::MiniProgram(_) => "mini_program",
    }
}

#[test]
fn withheld_fields_stay_absent() {
    let user = converted("restricted");
    let withheld = [
        &user.mobile,
        &user.email,
        &user.corp_email,
        &user.avatar_url,
        &user.thumbnail_avatar_url,
        &user.qr_code_url,
        &user.address,
    ];
    assert!(withheld.iter().all(|field| field.is_none()));
    assert_eq!(user.gender, i32::from(pb::UserGender::Unspecified));
    assert_eq!(
        (user.external_profile, &*user.telephone),
        (None, "000-0013")
    );
}

fn fields<T>(converted: Converted<T>) -> Vec<String> {
    let violations = converted.err().unwrap_or_default().into_iter();
    violations.map(|violation| violation.field).collect()
}

#[test]
fn a_look_up_has_one_key_and_a_kind_only_for_mail() {
    use pb::resolve_user_id_request::Key as PbKey;
    let request = |key, email_kind| pb::ResolveUserIdRequest {
        app: String::new(),
        key,
        email_kind,
    };
    let mobile = || Some(PbKey::Mobile("10000000002".into()));
    let email = || Some(PbKey::Email("a@example.com".into()));
    assert!(matches!(resolve(request(mobile(), 0)), Ok(Key::Mobile(_))));
    for (number, kind) in [
        (0, None),
        (1, Some(EmailKind::Corp)),
        (2, Some(EmailKind::Personal)),
    ] {
        let Ok(Key::Email(by)) = resolve(request(email(), number)) else {
            panic!("{number} is refused")
        };
        assert_eq!(by.kind, kind);
    }
    assert_eq!(fields(resolve(request(None, 0))), ["key"]);
    assert_eq!(fields(resolve(request(None, 9))), ["email_kind", "key"]);
    assert_eq!(fields(resolve(request(mobile(), 1))), ["email_kind"]);
    assert_eq!(
        fields(resolve(request(Some(PbKey::Mobile(String::new())), 2))),
        ["mobile", "email_kind"]
    );
}

#[test]
fn lists_have_their_own_default_of_detail() {
    let members = |detail, department_id| {
        list(&pb::ListUsersRequest {
            department_id,
            detail,
            ..Default::default()
        })
    };
    assert_eq!(members(0, 1).expect("good").detail, Detail::Brief);
    assert_eq!(members(2, 1).expect("good").detail, Detail::Full);
    assert_eq!(fields(members(3, 0)), ["detail", "department_id"]);
    let departments = |detail| {
        list_departments(&pb::ListDepartmentsRequest {
            detail,
            ..Default::default()
        })
    };
    assert!(matches!(
        departments(0),
        Ok(ListDepartments::Full(DepartmentList {
            department_id: None
        }))
    ));
    assert!(matches!(departments(1), Ok(ListDepartments::Brief(_))));
    assert_eq!(fields(departments(-1)), ["detail"]);
}
