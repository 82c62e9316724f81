//! gettoken, logins, and what an app may ask about WeCom and itself.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/91039> (read 2026-02),
//! <https://developer.work.weixin.qq.com/document/path/92520>,
//! <https://developer.work.weixin.qq.com/document/path/90227>.

mod identity;
mod ticket;

use secrecy::ExposeSecret;
use serde_json::{Map, json};

use super::endpoint::Endpoint;
use crate::sandbox::answer::{Answer, Refusal, Verdict};
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;
use crate::sandbox::token::Bearer;

pub(super) fn find(path: &str) -> Option<Endpoint> {
    match path {
        "gettoken" => Some(Endpoint::Open(get_token)),
        "get_api_domain_ip" => Some(Endpoint::Gated(get_api_domain_ip)),
        "agent/get" => Some(Endpoint::Gated(get_agent)),
        "auth/getuserinfo" => Some(Endpoint::Gated(identity::get_user_info)),
        "user/getuserinfo" => Some(Endpoint::Gated(identity::get_user_info_legacy)),
        "auth/getuserdetail" | "user/getuserdetail" => {
            Some(Endpoint::Gated(identity::get_user_detail))
        }
        "get_jsapi_ticket" => Some(Endpoint::Gated(ticket::get_js_api_ticket)),
        "ticket/get" => Some(Endpoint::Gated(ticket::get_ticket)),
        _ => None,
    }
}

fn get_token(corp: &mut Corp, call: &Call) -> Answer {
    match credential(corp, call) {
        Ok(bearer) => {
            let (token, expires_in) = corp.tokens.get(bearer, &corp.modes);
            Answer::ok(Map::from_iter([
                ("access_token".into(), token.into()),
                ("expires_in".into(), expires_in.into()),
            ]))
        }
        Err(refusal) => refusal.into(),
    }
}

/// Whose secret was given. The order of the checks is WeCom's.
fn credential(corp: &mut Corp, call: &Call) -> Verdict<Bearer> {
    if corp.tokens.banned() {
        return Err(Refusal::new(45009, "api freq out of limit"));
    }
    let secret = call.query("corpsecret");
    let secret = secret.ok_or_else(|| Refusal::new(41004, "corpsecret missing"))?;
    let corp_id = call.query("corpid");
    let corp_id = corp_id.ok_or_else(|| Refusal::new(41002, "corpid missing"))?;
    if corp_id != corp.id {
        return Err(Refusal::new(40013, "invalid corpid"));
    }
    let contacts = corp.contacts_secret.as_ref();
    if contacts.is_some_and(|contacts| contacts.expose_secret() == secret) {
        return Ok(Bearer::Contacts);
    }
    let mut apps = corp.apps.iter();
    let Some(app) = apps.position(|app| app.secret.expose_secret() == secret) else {
        corp.tokens.bad_secret(corp.modes.ban_after_bad_secrets);
        return Err(Refusal::new(40001, "invalid credential"));
    };
    if !corp.apps[app].enabled {
        return Err(Refusal::new(50003, "app is disabled"));
    }
    Ok(Bearer::App(app))
}

/// Addresses from the block kept for documentation.
fn get_api_domain_ip(_: &mut Corp, _: usize, _: &Call) -> Answer {
    Answer::ok(Map::from_iter([(
        "ip_list".into(),
        json!(["203.0.113.10", "203.0.113.11"]),
    )]))
}

/// The app of the token, which may ask about itself alone.
fn get_agent(corp: &mut Corp, app: usize, call: &Call) -> Answer {
    let app = &corp.apps[app];
    let Some(agent_id) = call.query("agentid").and_then(|id| id.parse::<u32>().ok()) else {
        return Refusal::new(40056, "invalid agentid").into();
    };
    if agent_id != app.agent_id {
        let text = "not allow operate another agent with this accesstoken";
        return Refusal::new(301_002, text).into();
    }
    let users = app.visible.user_ids.iter().map(|id| json!({"userid": id}));
    Answer::ok(Map::from_iter([
        ("agentid".into(), agent_id.into()),
        ("name".into(), app.name.clone().into()),
        ("close".into(), u8::from(!app.enabled).into()),
        ("redirect_domain".into(), "oa.example.com".into()),
        (
            "allow_userinfos".into(),
            json!({"user": users.collect::<Vec<_>>()}),
        ),
        (
            "allow_partys".into(),
            json!({"partyid": app.visible.department_ids}),
        ),
        ("allow_tags".into(), json!({"tagid": []})),
    ]))
}
