//! gettoken, and the one gated call that needs no parameters.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/91039> (read 2026-02),
//! <https://developer.work.weixin.qq.com/document/path/92520>.

use secrecy::ExposeSecret;
use serde_json::{Map, json};

use super::endpoint::Endpoint;
use crate::sandbox::answer::{Answer, Refusal, Verdict};
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;

pub(super) fn find(path: &str) -> Option<Endpoint> {
    match path {
        "gettoken" => Some(Endpoint::Open(get_token)),
        "get_api_domain_ip" => Some(Endpoint::Gated(get_api_domain_ip)),
        _ => None,
    }
}

fn get_token(corp: &mut Corp, call: &Call) -> Answer {
    match credential(corp, call) {
        Ok(app) => {
            let (token, expires_in) = corp.tokens.get(app, &corp.modes);
            Answer::ok(Map::from_iter([
                ("access_token".into(), token.into()),
                ("expires_in".into(), expires_in.into()),
            ]))
        }
        Err(refusal) => refusal.into(),
    }
}

/// The place of the app whose secret was given. The order of the checks is WeCom's.
fn credential(corp: &mut Corp, call: &Call) -> Verdict<usize> {
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
    let mut apps = corp.apps.iter();
    let Some(app) = apps.position(|app| app.secret.expose_secret() == secret) else {
        corp.tokens.bad_secret(corp.modes.ban_after_bad_secrets);
        return Err(Refusal::new(40001, "invalid credential"));
    };
    if !corp.apps[app].enabled {
        return Err(Refusal::new(50003, "app is disabled"));
    }
    Ok(app)
}

/// Addresses from the block kept for documentation.
fn get_api_domain_ip(_: &mut Corp, _: usize, _: &Call) -> Answer {
    Answer::ok(Map::from_iter([(
        "ip_list".into(),
        json!(["203.0.113.10", "203.0.113.11"]),
    )]))
}
