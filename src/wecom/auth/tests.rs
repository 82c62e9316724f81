//! WeCom's answers as they are documented.

use std::fs;

use super::*;
use crate::wecom::errcode::Class;
use crate::wecom::error::Refusal;
use crate::wecom::transport::decode;
use crate::wecom::user::Gender;

fn visitor(json: &str) -> String {
    match serde_json::from_str(json).expect("an answer") {
        Visitor::Member {
            user_id,
            user_ticket,
        } => {
            let ticket = user_ticket.as_ref().map(ExposeSecret::expose_secret);
            format!("{user_id} {ticket:?}")
        }
        Visitor::Stranger { external_user_id } => format!("stranger {external_user_id:?}"),
    }
}

#[test]
fn both_spellings_name_the_visitor() {
    for (json, expected) in [
        (r#"{"userid":"lisi"}"#, "lisi None"),
        (
            r#"{"userid":"lisi","user_ticket":"t"}"#,
            r#"lisi Some("t")"#,
        ),
        (r#"{"UserId":"lisi","DeviceId":"d"}"#, "lisi None"),
        (r#"{"userid":"lisi","UserId":"lisi"}"#, "lisi None"),
        (r#"{"userid":"ww9/lisi"}"#, "ww9/lisi None"),
        (r#"{"openid":"o"}"#, "stranger None"),
        (
            r#"{"OpenId":"o","external_userid":"wm1"}"#,
            r#"stranger Some("wm1")"#,
        ),
        (r#"{"userid":"","openid":"o"}"#, "stranger None"),
        ("{}", "stranger None"),
    ] {
        assert_eq!(visitor(json), expected, "{json}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let visitor: Visitor =
        serde_json::from_str(r#"{"userid":"lisi","user_ticket":"canary"}"#).expect("an answer");
    assert!(!format!("{visitor:?}").contains("canary"));
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(format!("tests/fixtures/cgi-bin/{name}.json")).expect(name)
}

fn answer<R: serde::de::DeserializeOwned>(name: &str) -> Result<R, Refusal> {
    decode(&fixture(name)).expect("an envelope")
}

#[test]
fn documented_visitors_are_read() {
    for (name, expected) in [
        (
            "auth/getuserinfo.member.response",
            r#"linxia Some("ticket-of-linxia-0001")"#,
        ),
        ("auth/getuserinfo.member_base.response", "linxia None"),
        (
            "auth/getuserinfo.linked.response",
            "ww5a9db0c5a9db1111/linxia None",
        ),
        (
            "auth/getuserinfo.nonmember.response",
            r#"stranger Some("wmCustomer00000000000000001")"#,
        ),
        ("auth/getuserinfo.stranger.response", "stranger None"),
        ("user/getuserinfo.member.response", "linxia None"),
        (
            "user/getuserinfo.nonmember.response",
            r#"stranger Some("wmCustomer00000000000000001")"#,
        ),
    ] {
        assert!(answer::<Visitor>(name).is_ok(), "{name}");
        let json = String::from_utf8(fixture(name)).expect("UTF-8");
        assert_eq!(visitor(&json), expected, "{name}");
    }
}

#[test]
fn documented_details_are_read() {
    let member = answer::<Member>("auth/getuserdetail.response").expect("a success");
    assert_eq!(member.user_id, "linxia");
    assert_eq!(member.gender, Gender::Female);
    assert_eq!(member.mobile.as_deref(), Some("10000000007"));
    assert_eq!(member.email.as_deref(), Some("linxia@mail.example.net"));
    assert_eq!(
        member.corp_email.as_deref(),
        Some("linxia@sandbox.example.com")
    );
    assert!(member.avatar_url.is_some() && member.qr_code_url.is_some());
    assert_eq!(member.address.as_deref(), Some("沙盒市纸船路7号"));
}

#[test]
fn documented_refusals_say_who_must_act() {
    for (name, errcode, class) in [
        ("auth/getuserinfo.error.40029", 40029, Class::InvalidRequest),
        ("auth/getuserinfo.error.42003", 42003, Class::InvalidRequest),
        ("auth/getuserinfo.error.50001", 50001, Class::Precondition),
        ("auth/getuserdetail.error.84014", 84014, Class::WrongState),
    ] {
        let refusal = answer::<serde_json::Value>(name).expect_err(name);
        assert_eq!(refusal.errcode, errcode);
        assert_eq!(refusal.class(), Some(class), "{name}");
        assert!(!refusal.errmsg.contains("203.0.113"), "{name}");
    }
}

#[test]
fn requests_are_as_documented() {
    let get = GetUserDetail {
        user_ticket: "ticket-of-linxia-0001".to_owned().into(),
    };
    let Payload::Json(body) = get.payload() else {
        panic!("a POST")
    };
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let expected: serde_json::Value =
        serde_json::from_slice(&fixture("auth/getuserdetail.request")).expect("JSON");
    assert_eq!(body, expected);
    let get = GetUserInfo { code: "c1".into() };
    let Payload::Query(query) = get.payload() else {
        panic!("a GET")
    };
    assert_eq!(query, [("code", "c1".to_owned())]);
    assert_eq!(get.repeat(), Repeat::WhileUnsent);
}
