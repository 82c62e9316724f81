//! BuildLoginUrl: only known addresses to return to, and a state for each login.

use reqwest::Url;
use serde_json::{Value, json};
use tonic::Code;

use super::super::harness::{SandboxHandle, World, verdict};
use super::{ANYONE, OTHER_RETURN, PORTAL, RETURN, WIKI, exchanges, fields, world_with_callers};

#[tokio::test]
async fn pages_are_addressed_as_wecom_documents_them() {
    let sandbox = SandboxHandle::start().await;
    // WeCom's own pages, as they are by default.
    let pages = "[wecom]\noauth_page_base_url = \"https://open.weixin.qq.com\"\nqr_page_base_url = \"https://login.work.weixin.qq.com\"\n";
    let world = World::start_with(sandbox, pages).await;
    let before = std::time::SystemTime::now();
    let built = ANYONE.build(&world, json!({})).await.unwrap();
    assert_eq!(built.state.len(), 27);
    assert!(built.state.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(
        built.url,
        format!(
            "https://open.weixin.qq.com/connect/oauth2/authorize?appid=ww5a9db0c5a9db0c5a\
             &redirect_uri=https%3A%2F%2Foa.example.com%2Flogin%2Fcallback&response_type=code\
             &scope=snsapi_base&state={}&agentid=1000002#wechat_redirect",
            built.state
        )
    );
    let life = std::time::SystemTime::try_from(built.expires_at.unwrap()).unwrap();
    let life = life.duration_since(before).unwrap().as_secs_f64();
    assert!((599.0..=610.0).contains(&life), "{life}");

    let qr =
        json!({"page": "LOGIN_PAGE_QR_CODE", "state": "s1", "language": "LOGIN_LANGUAGE_CHINESE"});
    assert_eq!(
        ANYONE.build(&world, qr).await.unwrap().url,
        "https://login.work.weixin.qq.com/wwlogin/sso/login?login_type=CorpApp\
         &appid=ww5a9db0c5a9db0c5a&agentid=1000002\
         &redirect_uri=https%3A%2F%2Foa.example.com%2Flogin%2Fcallback&state=s1&lang=zh"
    );
    let private = json!({"scope": "LOGIN_SCOPE_PRIVATE_INFO"});
    let url = ANYONE.build(&world, private).await.unwrap().url;
    assert!(url.contains("&scope=snsapi_privateinfo&"), "{url}");
    let other = json!({"app": "kaoqin", "redirect_uri": OTHER_RETURN});
    let url = ANYONE.build(&world, other).await.unwrap().url;
    assert!(url.contains("&agentid=1000003#"), "{url}");
    world.stop().await;
}

/// Addresses that a browser, a proxy or a careless comparison might take for the one on
/// the list.
#[rustfmt::skip] // a plain list
const HOSTILE: [&str; 60] = [
    // Other hosts.
    "https://evil.example.com/login/callback",
    "https://oa.example.com.evil.example.com/login/callback",
    "https://evil-oa.example.com/login/callback",
    "https://xoa.example.com/login/callback",
    "https://example.com/login/callback",
    "https://sub.oa.example.com/login/callback",
    "https://oa.example.comm/login/callback",
    "https://oa.example.co/login/callback",
    "https://oa.example.com./login/callback",
    "https://127.0.0.1/login/callback",
    "https://[::1]/login/callback",
    "https://0x7f000001/login/callback",
    // User names.
    "https://oa.example.com@evil.example.com/login/callback",
    "https://oa.example.com:x@evil.example.com/login/callback",
    "https://user@oa.example.com/login/callback",
    "https://evil.example.com#@oa.example.com/login/callback",
    "https://evil.example.com?@oa.example.com/login/callback",
    "https://oa.example.com%40evil.example.com/login/callback",
    // Slashes.
    "//oa.example.com/login/callback",
    "///oa.example.com/login/callback",
    "/login/callback",
    "https:/oa.example.com/login/callback",
    "https:oa.example.com/login/callback",
    "https:///oa.example.com/login/callback",
    "https:\\\\oa.example.com\\login\\callback",
    "https://oa.example.com\\login/callback",
    "https://oa.example.com\\@evil.example.com/login/callback",
    "https://evil.example.com\\oa.example.com/login/callback",
    "https://oa.example.com//login/callback",
    "https://oa.example.com/login//callback",
    "https://oa.example.com/login%2Fcallback",
    "https://oa.example.com/login%5Ccallback",
    "https://oa.example.com%2Flogin/callback",
    // Paths.
    "https://oa.example.com",
    "https://oa.example.com/",
    "https://oa.example.com/login",
    "https://oa.example.com/login/callback/",
    "https://oa.example.com/login/callback/..",
    "https://oa.example.com/login/../login/callback",
    "https://oa.example.com/login/./callback",
    "https://oa.example.com/login/callbac%6B",
    "https://oa.example.com/login/callback;x",
    "https://oa.example.com/login/callbackx",
    "https://oa.example.com/other?next=https://oa.example.com/login/callback",
    // Queries and fragments.
    "https://oa.example.com/login/callback?",
    "https://oa.example.com/login/callback?to=https://evil.example.com",
    "https://oa.example.com/login/callback#",
    "https://oa.example.com/login/callback#@evil.example.com",
    // Case.
    "HTTPS://oa.example.com/login/callback",
    "https://OA.example.com/login/callback",
    "https://oa.example.com/Login/callback",
    // Ports.
    "https://oa.example.com:443/login/callback",
    "https://oa.example.com:8443/login/callback",
    "https://oa.example.com:/login/callback",
    // Schemes.
    "http://oa.example.com/login/callback",
    "javascript://oa.example.com/login/callback",
    "data:text/html,https://oa.example.com/login/callback",
    // Letters that look alike, or are not seen.
    "https://оa.example.com/login/callback",
    "https://oa。example.com/login/callback",
    "https://oa.example.com/login/callback\u{200b}",
];

#[tokio::test]
async fn no_spelling_of_another_address_passes_for_one_on_the_list() {
    let world = World::start().await;
    let blanks = [
        format!(" {RETURN}"),
        format!("{RETURN} "),
        format!("{RETURN}\n"),
        format!("{RETURN}\t"),
        format!("{RETURN}\0"),
        format!("{RETURN}\r\nx: y"),
        RETURN.replace("://", "://\t"),
        RETURN.replacen('/', "\u{2215}", 1),
        format!("{RETURN}{}", "/".repeat(3000)),
        String::new(),
    ];
    let all = HOSTILE.iter().map(|uri| (*uri).to_owned()).chain(blanks);
    for uri in all {
        let status = ANYONE
            .build(&world, json!({"redirect_uri": uri}))
            .await
            .expect_err(&uri);
        assert_eq!(status.code(), Code::InvalidArgument, "{uri}");
        assert!(!fields(&status).is_empty());
        assert!(
            fields(&status).iter().all(|field| field == "redirect_uri"),
            "{uri}"
        );
        assert!(!status.message().contains("evil"), "{}", status.message());
    }
    ANYONE.build(&world, json!({})).await.unwrap();
    // The other app's address is on the list too: WeCom itself refuses it there, since it is
    // no trusted domain of this app.
    ANYONE
        .build(&world, json!({"redirect_uri": OTHER_RETURN}))
        .await
        .unwrap();
    world.stop().await;
}

#[tokio::test]
async fn every_broken_rule_is_named() {
    let world = World::start().await;
    let rows: Vec<(Value, &[&str])> = vec![
        (json!({"state": "a-b"}), &["state"]),
        (json!({"state": "a b"}), &["state"]),
        (json!({"state": "状态"}), &["state"]),
        (json!({"state": "a".repeat(129)}), &["state"]),
        (json!({"page": 9}), &["page"]),
        (json!({"scope": 9}), &["scope"]),
        (json!({"language": 9}), &["language"]),
        (json!({"language": "LOGIN_LANGUAGE_ENGLISH"}), &["language"]),
        (
            json!({"page": "LOGIN_PAGE_QR_CODE", "scope": "LOGIN_SCOPE_PRIVATE_INFO"}),
            &["scope"],
        ),
        (
            json!({"page": 9, "scope": 9, "language": 9, "redirect_uri": "x", "state": "-"}),
            &["page", "scope", "language", "redirect_uri", "state"],
        ),
    ];
    for (request, expected) in rows {
        let status = ANYONE.build(&world, request.clone()).await.unwrap_err();
        assert_eq!(fields(&status), expected, "{request}");
    }
    let longest = json!({"state": "a".repeat(128)});
    ANYONE.build(&world, longest).await.unwrap();
    let status = ANYONE.build(&world, json!({"app": "nobody"})).await;
    assert_eq!(
        verdict(&status.unwrap_err()),
        (Code::NotFound, "APP_NOT_FOUND".into())
    );
    assert_eq!(exchanges(&world).await, 0);
    world.stop().await;
}

#[tokio::test]
async fn a_state_that_waits_is_not_given_to_another_caller() {
    let world = world_with_callers().await;
    let mine = json!({"state": "chosen1"});
    PORTAL.build(&world, mine.clone()).await.unwrap();
    PORTAL.build(&world, mine.clone()).await.unwrap();
    let status = WIKI.build(&world, mine).await.unwrap_err();
    assert_eq!(fields(&status), ["state"]);
    world.stop().await;
}

#[tokio::test]
async fn states_made_here_do_not_repeat() {
    let world = World::start().await;
    let mut states = std::collections::HashSet::new();
    for _ in 0..50 {
        let built = ANYONE.build(&world, json!({})).await.unwrap();
        let url = Url::parse(&built.url).unwrap();
        let state = url.query_pairs().find(|(key, _)| key == "state");
        assert_eq!(state.unwrap().1, built.state);
        states.insert(built.state);
    }
    assert_eq!(states.len(), 50);
    world.stop().await;
}
