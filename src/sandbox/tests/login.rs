use std::time::Duration;

use reqwest::{Response, Url, redirect};
use serde_json::{Value, json};

use super::{Bench, code, json_of};

const RETURN: &str = "https%3A%2F%2Foa.example.com%2Flogin%3Ffrom%3Dwecom";

/// A browser that shows redirects instead of following them.
async fn browse(bench: &Bench, path: &str) -> Response {
    let browser = reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none());
    let browser = browser.build().expect("a browser");
    let request = browser.get(format!("{}{path}", bench.url));
    request.send().await.expect("a page")
}

fn oauth(bench: &Bench, scope: &str, more: &str) -> String {
    format!(
        "/connect/oauth2/authorize?appid={}&redirect_uri={RETURN}&response_type=code\
         &scope={scope}&state=s1&agentid=1000002{more}",
        bench.corp_id
    )
}

fn qr(bench: &Bench, redirect_uri: &str, more: &str) -> String {
    format!(
        "/wwlogin/sso/login?login_type=CorpApp&appid={}&agentid=1000002\
         &redirect_uri={redirect_uri}&state=s1{more}",
        bench.corp_id
    )
}

/// Where a page sends the browser: code and state.
fn returned(answer: &Response) -> (Option<String>, Option<String>) {
    assert_eq!(answer.status(), 302);
    let location = answer.headers()["location"].to_str().expect("text");
    let url = Url::parse(location).expect("an address");
    assert_eq!(url.host_str(), Some("oa.example.com"), "{location}");
    let value = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    };
    assert_eq!(
        value("from").as_deref(),
        Some("wecom"),
        "the own query stays"
    );
    (value("code"), value("state"))
}

async fn log_in(bench: &Bench, scope: &str, more: &str) -> String {
    let answer = browse(bench, &oauth(bench, scope, more)).await;
    returned(&answer).0.expect("a code")
}

async fn identify(bench: &Bench, app: usize, path: &str, code: &str) -> Value {
    let token = bench.token(app).await;
    let path = format!("/cgi-bin/{path}?access_token={token}&code={code}");
    bench.get_json(&path).await
}

async fn detail(bench: &Bench, app: usize, body: Value) -> Value {
    let token = bench.token(app).await;
    let path = format!("/cgi-bin/auth/getuserdetail?access_token={token}");
    json_of(bench.post(&path, body.to_string()).await).await
}

/// Moves the clock without pausing it for longer: a paused clock would jump to
/// the client's own timers.
async fn advance(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn the_page_lets_choose_and_returns_with_code_and_state() {
    let bench = Bench::demo().await;
    let page = browse(&bench, &oauth(&bench, "snsapi_base", "")).await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str();
    assert!(policy.expect("text").contains("default-src 'none'"));
    let page = page.text().await.expect("text");
    assert!(
        page.contains("张三") && page.contains("&amp;user=zhangsan"),
        "{page}"
    );

    let answer = browse(&bench, &oauth(&bench, "snsapi_base", "&user=zhangsan")).await;
    let (code, state) = returned(&answer);
    assert_eq!(state.as_deref(), Some("s1"));
    let code = code.expect("a code");
    assert!(code.starts_with("sandbox-code-") && code.len() <= 512);
    let visitor = identify(&bench, 0, "auth/getuserinfo", &code).await;
    assert_eq!(visitor["userid"], "zhangsan");
    assert!(visitor.get("user_ticket").is_none(), "{visitor}");
}

#[tokio::test]
async fn a_page_with_a_mistake_stops() {
    let bench = Bench::demo().await;
    let good = oauth(&bench, "snsapi_base", "&user=zhangsan");
    for (from, to) in [
        (bench.corp_id.as_str(), "wwother"),
        ("response_type=code", "response_type=token"),
        ("snsapi_base", "snsapi_login"),
        ("state=s1", "state=s-1"),
        ("agentid=1000002", "agentid=7"),
        ("oa.example.com", "evil.example.com"),
        ("oa.example.com", "sub.oa.example.com"),
        ("oa.example.com", "oa.example.com%3A8443"),
        ("oa.example.com", "hr.example.com%3A8443"),
        ("oa.example.com", "oa.example.com%40evil.example.com"),
        ("https%3A", "ftp%3A"),
        (RETURN, ""),
    ] {
        let wrong = good.replace(from, to);
        assert_eq!(browse(&bench, &wrong).await.status(), 400, "{to}");
    }
    let hostile = oauth(
        &bench,
        "snsapi_base",
        "&x=%3Cscript%3E\"><script>alert(1)</script>",
    );
    let page = browse(&bench, &hostile).await.text().await.expect("text");
    assert!(!page.contains("<script>"), "{page}");
}

#[tokio::test]
async fn without_agentid_the_domain_names_the_app_and_nothing_is_asked() {
    let bench = Bench::demo().await;
    let path = oauth(&bench, "snsapi_privateinfo", "&user=zhangsan");
    let answer = browse(&bench, &path.replace("&agentid=1000002", "")).await;
    let code = returned(&answer).0.expect("a code");
    let visitor = identify(&bench, 0, "auth/getuserinfo", &code).await;
    assert_eq!(visitor["userid"], "zhangsan");
    assert!(visitor.get("user_ticket").is_none(), "{visitor}");
}

#[tokio::test]
async fn a_code_is_used_once_by_its_app_within_five_minutes() {
    let bench = Bench::demo().await;
    let ask = async |app, text: &str| code(&identify(&bench, app, "auth/getuserinfo", text).await);
    assert_eq!(ask(0, "").await, 41008);
    assert_eq!(ask(0, "made-up").await, 40029);
    let first = log_in(&bench, "snsapi_base", "&user=lisi").await;
    assert_eq!(
        ask(1, &first).await,
        50001,
        "the domain is not that of the token's app"
    );
    assert_eq!(ask(0, &first).await, 0);
    assert_eq!(ask(0, &first).await, 40029);
    bench.put_modes(json!({"used_code_42022": true})).await;
    assert_eq!(ask(0, &first).await, 42022);
    let second = log_in(&bench, "snsapi_base", "&user=lisi").await;
    bench.token(0).await;
    advance(299).await;
    assert_eq!(ask(0, &second).await, 0);
    let third = log_in(&bench, "snsapi_base", "&user=lisi").await;
    advance(300).await;
    assert_eq!(ask(0, &third).await, 42003);
}

#[tokio::test]
async fn two_apps_that_trust_one_domain_still_have_their_own_codes() {
    let mut settings = crate::sandbox::Settings::demo(([127, 0, 0, 1], 0).into());
    settings.apps[1].trusted_domains = vec!["oa.example.com".into()];
    let bench = Bench::start(settings).await;
    let text = log_in(&bench, "snsapi_base", "&user=lisi").await;
    assert_eq!(
        code(&identify(&bench, 1, "auth/getuserinfo", &text).await),
        40029
    );
}

#[tokio::test]
async fn visitors_are_spelled_in_two_ways() {
    let bench = Bench::demo().await;
    for (user, new, old) in [
        (
            "LiLei",
            json!({"userid": "LiLei"}),
            json!({"UserId": "LiLei"}),
        ),
        (
            "guwen.ma",
            json!({"userid": "guwen.ma"}),
            json!({"UserId": "guwen.ma"}),
        ),
        (
            "*linked",
            json!({"userid": "ww5a9db0c5a9db1111/chenmo"}),
            json!({"UserId": "ww5a9db0c5a9db1111/chenmo"}),
        ),
        (
            "*customer",
            json!({"openid": "oSandboxVisitor0000000000001", "external_userid": "wmSandboxCustomer00000000000001"}),
            json!({"OpenId": "oSandboxVisitor0000000000001", "external_userid": "wmSandboxCustomer00000000000001"}),
        ),
        (
            "*stranger",
            json!({"openid": "oSandboxVisitor0000000000001"}),
            json!({"OpenId": "oSandboxVisitor0000000000001"}),
        ),
    ] {
        for (path, expected, legacy) in [
            ("auth/getuserinfo", &new, false),
            ("user/getuserinfo", &old, false),
            ("auth/getuserinfo", &old, true),
        ] {
            bench.put_modes(json!({"legacy_identity": legacy})).await;
            let code = log_in(&bench, "snsapi_base", &format!("&user={user}")).await;
            let mut answer = identify(&bench, 0, path, &code).await;
            let fields = answer.as_object_mut().expect("an object");
            fields.retain(|key, _| !["errcode", "errmsg", "DeviceId"].contains(&key.as_str()));
            assert_eq!(&answer, expected, "{user} {path}");
        }
    }
}

#[tokio::test]
async fn consent_gives_a_ticket_that_shows_more_for_half_an_hour() {
    let bench = Bench::demo().await;
    let ask = browse(
        &bench,
        &oauth(&bench, "snsapi_privateinfo", "&user=zhangsan"),
    )
    .await;
    let page = ask.text().await.expect("text");
    assert!(
        page.contains("consent=yes") && page.contains("consent=no"),
        "{page}"
    );
    for (more, why) in [
        ("&user=zhangsan&consent=no", "declined"),
        ("&user=guwen.ma&consent=yes", "out of range"),
        ("&user=*customer&consent=yes", "no member"),
    ] {
        let answer = browse(&bench, &oauth(&bench, "snsapi_privateinfo", more)).await;
        assert_eq!(answer.status(), 400, "{why}");
    }
    let text = log_in(&bench, "snsapi_privateinfo", "&user=zhangsan&consent=yes").await;
    let visitor = identify(&bench, 0, "auth/getuserinfo", &text).await;
    let ticket = visitor["user_ticket"]
        .as_str()
        .expect("a ticket")
        .to_owned();
    let shown = detail(&bench, 0, json!({"user_ticket": ticket})).await;
    assert_eq!(
        (&shown["userid"], &shown["gender"]),
        (&json!("zhangsan"), &json!("1"))
    );
    for field in [
        "mobile", "email", "biz_mail", "avatar", "qr_code", "address",
    ] {
        assert!(shown[field].is_string(), "{field}");
    }
    for (app, body, expected) in [
        (0, json!({}), 84090),
        (0, json!({"user_ticket": 1}), 84090),
        (0, json!({"user_ticket": "made-up"}), 84015),
        (1, json!({"user_ticket": ticket}), 84015),
        (0, json!({"user_ticket": ticket}), 0),
    ] {
        assert_eq!(code(&detail(&bench, app, body).await), expected);
    }
    advance(1800).await;
    assert_eq!(
        code(&detail(&bench, 0, json!({"user_ticket": ticket})).await),
        84014
    );
}

#[tokio::test]
async fn the_qr_page_looks_at_the_redirect_address_after_the_scan() {
    let bench = Bench::demo().await;
    let untrusted = "https%3A%2F%2Fevil.example.com%2F";
    assert_eq!(
        browse(&bench, &qr(&bench, untrusted, "")).await.status(),
        200
    );
    for more in ["&user=zhangsan", "&cancel=1"] {
        let answer = browse(&bench, &qr(&bench, untrusted, more)).await;
        assert_eq!(answer.status(), 400, "{more}");
    }
    let answer = browse(&bench, &qr(&bench, RETURN, "&user=zhangsan")).await;
    let (code, state) = returned(&answer);
    assert_eq!(state.as_deref(), Some("s1"));
    let visitor = identify(&bench, 0, "auth/getuserinfo", &code.expect("a code")).await;
    assert_eq!(visitor["userid"], "zhangsan");
    let cancelled = browse(&bench, &qr(&bench, RETURN, "&cancel=1")).await;
    assert_eq!(returned(&cancelled), (None, Some("s1".into())));
    for (from, to) in [
        ("CorpApp", "ServiceApp"),
        (bench.corp_id.as_str(), "wwother"),
        ("agentid=1000002", "agentid="),
        (RETURN, ""),
    ] {
        let wrong = qr(&bench, RETURN, "").replace(from, to);
        assert_eq!(browse(&bench, &wrong).await.status(), 400, "{to}");
    }
}

#[tokio::test]
async fn the_older_address_of_the_qr_page_has_no_login_type() {
    let bench = Bench::demo().await;
    let older = |more: &str| {
        let page = qr(&bench, RETURN, more);
        page.replace(
            "/wwlogin/sso/login?login_type=CorpApp&",
            "/wwopen/sso/qrConnect?",
        )
    };
    let page = browse(&bench, &older("")).await;
    assert!(page.text().await.expect("text").contains("cancel=1"));
    let answer = browse(&bench, &older("&user=zhangsan")).await;
    assert!(returned(&answer).0.is_some());
}

#[tokio::test]
async fn js_tickets_last_and_are_few() {
    let bench = Bench::demo().await;
    let tokens = [bench.token(0).await, bench.token(1).await];
    let ask = async |app: usize, call: &str| {
        let path = format!("/cgi-bin/{call}access_token={}", tokens[app]);
        bench.get_json(&path).await
    };
    let first = ask(0, "get_jsapi_ticket?").await;
    assert_eq!(first["expires_in"], 7200);
    assert_eq!(ask(0, "get_jsapi_ticket?").await["ticket"], first["ticket"]);
    let agent = ask(0, "ticket/get?type=agent_config&").await;
    assert_ne!(agent["ticket"], first["ticket"], "each kind has its own");
    assert_ne!(
        ask(1, "ticket/get?type=agent_config&").await["ticket"],
        agent["ticket"]
    );
    for wrong in ["ticket/get?", "ticket/get?type=jsapi&"] {
        assert_eq!(code(&ask(0, wrong).await), 91040, "{wrong}");
    }
    for _ in 2..100 {
        assert_eq!(code(&ask(0, "get_jsapi_ticket?").await), 0);
    }
    assert_eq!(code(&ask(0, "get_jsapi_ticket?").await), 45009);
    assert_eq!(
        code(&ask(1, "get_jsapi_ticket?").await),
        0,
        "the other app has its own share"
    );
    advance(3600).await;
    assert_eq!(code(&ask(0, "get_jsapi_ticket?").await), 0);
}
