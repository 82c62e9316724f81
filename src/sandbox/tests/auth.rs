use std::time::Duration;

use serde_json::json;

use super::{Bench, code, json_of, text};
use crate::sandbox::Settings;

#[tokio::test]
async fn gettoken_names_what_is_wrong_in_wecoms_order() {
    let mut settings = Settings::demo(([127, 0, 0, 1], 0).into());
    settings.apps[1].enabled = false;
    let bench = Bench::start(settings).await;
    let corp_id = bench.corp_id.clone();
    for (corp_id, secret, expected) in [
        ("", "", 41004),
        (corp_id.as_str(), "", 41004),
        ("", "sandbox-secret-youxiao", 41002),
        ("wwnobody", "sandbox-secret-youxiao", 40013),
        (corp_id.as_str(), "wrong", 40001),
        (corp_id.as_str(), "sandbox-secret-kaoqin", 50003),
        (corp_id.as_str(), "sandbox-secret-youxiao", 0),
    ] {
        let answer = bench.get_token(corp_id, secret).await;
        assert_eq!(code(&answer), expected, "{answer}");
    }
}

#[tokio::test]
async fn a_token_looks_like_a_token() {
    let bench = Bench::demo().await;
    let answer = bench.fetch(0).await;
    let token = answer["access_token"].as_str().expect("a token");
    assert!(token.starts_with("sandbox-token-"));
    assert_eq!(token.len(), 214);
    assert_eq!(answer["expires_in"], 7200);
    assert_eq!(answer["errmsg"], "ok");
    assert_ne!(bench.token(1).await, token, "each app has its own");
}

#[tokio::test]
async fn many_bad_secrets_ban_the_caller() {
    let bench = Bench::demo().await;
    bench.put_modes(json!({"ban_after_bad_secrets": 3})).await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(code(&bench.get_token(&bench.corp_id, "wrong").await));
    }
    assert_eq!(codes, [40001, 40001, 40001, 45009]);
    assert_eq!(
        code(&bench.fetch(0).await),
        45009,
        "even the right secret waits"
    );
    bench.post("/sandbox/reset", "").await;
    assert_eq!(code(&bench.fetch(0).await), 0);
}

#[tokio::test]
async fn gettoken_knows_four_ways_to_answer_again() {
    let bench = Bench::demo().await;
    for (mode, same, old_lives) in [
        ("same", true, true),
        ("same_renewed", true, true),
        ("new_old_good", false, true),
        ("new_old_dead", false, false),
    ] {
        bench.post("/sandbox/reset", "").await;
        bench.put_modes(json!({"token_mode": mode})).await;
        let old = bench.token(0).await;
        let new = bench.token(0).await;
        assert_eq!(old == new, same, "{mode}");
        let errcode = code(&bench.send_with(&old, text("hi").to_string()).await);
        assert_eq!(errcode, if old_lives { 0 } else { 40014 }, "{mode}");
        assert_eq!(
            code(&bench.send_with(&new, text("hi").to_string()).await),
            0
        );
    }
}

#[tokio::test]
async fn life_left_is_told_or_renewed() {
    for (mode, second) in [("same", 50), ("same_renewed", 100)] {
        let bench = Bench::demo().await;
        let modes = json!({"token_mode": mode, "expires_in_seconds": 100});
        bench.put_modes(modes).await;
        assert_eq!(bench.fetch(0).await["expires_in"], 100);
        advance(50).await;
        let told = bench.fetch(0).await["expires_in"]
            .as_u64()
            .expect("seconds");
        // The clock runs while the calls do; a second is given to them.
        assert!((second - 1..=second).contains(&told), "{mode}: {told}");
    }
}

#[tokio::test]
async fn an_old_token_expires_and_the_next_is_new() {
    let bench = Bench::demo().await;
    bench.put_modes(json!({"expires_in_seconds": 100})).await;
    let old = bench.token(0).await;
    advance(101).await;
    assert_eq!(
        code(&bench.send_with(&old, text("hi").to_string()).await),
        42001
    );
    let new = bench.token(0).await;
    assert_ne!(old, new);
    assert_eq!(
        code(&bench.send_with(&new, text("hi").to_string()).await),
        0
    );
}

/// Moves the clock without pausing it for longer: a paused clock would jump to
/// the client's own timers.
async fn advance(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn all_tokens_can_be_killed_or_expired() {
    let bench = Bench::demo().await;
    for (path, expected) in [
        ("/sandbox/tokens/kill", 40014),
        ("/sandbox/tokens/expire", 42001),
    ] {
        let old = bench.token(0).await;
        assert_eq!(bench.post(path, "").await.status(), 204);
        assert_eq!(
            code(&bench.send_with(&old, text("hi").to_string()).await),
            expected
        );
        assert_ne!(bench.token(0).await, old);
        assert_eq!(code(&bench.send(&text("hi")).await), 0);
    }
}

#[tokio::test]
async fn the_gate_checks_token_then_address_then_parameters() {
    let bench = Bench::demo().await;
    let good = bench.token(0).await;
    bench.put_modes(json!({"trusted_ip": false})).await;
    assert_eq!(code(&bench.fetch(0).await), 0, "gettoken is not gated");
    for (token, expected) in [("", 41001), ("made-up", 40014), (good.as_str(), 60020)] {
        assert_eq!(code(&bench.send_with(token, "not JSON").await), expected);
    }
    bench.put_modes(json!({"trusted_ip": true})).await;
    assert_eq!(code(&bench.send_with(&good, "not JSON").await), 40008);
}

#[tokio::test]
async fn a_token_outside_the_query_is_missing() {
    let bench = Bench::demo().await;
    let token = bench.token(0).await;
    let request = bench
        .http
        .post(format!("{}/cgi-bin/message/send", bench.url));
    let request = request
        .bearer_auth(&token)
        .body(json!({"access_token": token}).to_string());
    let answer = request.send().await.expect("an answer");
    assert_eq!(code(&json_of(answer).await), 41001);
}

#[tokio::test]
async fn errors_are_http_200_with_a_tail_and_headers() {
    let bench = Bench::demo().await;
    let answer = bench.get("/cgi-bin/gettoken").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["error-code"], "41004");
    let header = answer.headers()["error-msg"]
        .to_str()
        .expect("text")
        .to_owned();
    let body = json_of(answer).await;
    let errmsg = body["errmsg"].as_str().expect("errmsg");
    assert_eq!(errmsg, header);
    assert!(
        errmsg.starts_with("corpsecret missing, hint: ["),
        "{errmsg}"
    );
    let tail = ", from ip: 203.0.113.7, more info at \
                https://open.work.weixin.qq.com/devtool/query?e=41004";
    assert!(errmsg.ends_with(tail), "{errmsg}");
}

#[tokio::test]
async fn an_unknown_path_is_an_empty_404() {
    let bench = Bench::demo().await;
    let answer = bench.get("/cgi-bin/no/such/call").await;
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.bytes().await.expect("a body").len(), 0);
}

#[tokio::test]
async fn a_gated_call_without_parameters_answers() {
    let bench = Bench::demo().await;
    let token = bench.token(0).await;
    let path = format!("/cgi-bin/get_api_domain_ip?access_token={token}");
    assert_eq!(bench.get_json(&path).await["ip_list"][0], "203.0.113.10");
}
