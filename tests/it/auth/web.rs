//! The example application, by a browser that keeps cookies.

use std::collections::HashMap;

use reqwest::{Response, Url, redirect};
use tonic::transport::Endpoint;

use super::super::harness::World;
use super::exchanges;

#[path = "../../../examples/web-login/main.rs"]
#[allow(unreachable_pub, reason = "an example is a program of its own")]
mod web_login;

struct Browser {
    http: reqwest::Client,
    cookies: HashMap<String, String>,
}

impl Browser {
    fn new() -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none());
        Self {
            http: http.build().unwrap(),
            cookies: HashMap::new(),
        }
    }

    /// Asks once, with the cookies of the application.
    async fn ask(&mut self, request: reqwest::RequestBuilder) -> Response {
        let cookies = self.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let answer = request.header("cookie", cookies.join("; ")).send().await;
        let answer = answer.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
            let (pair, rest) = cookie.split_once(';').unwrap();
            let (key, value) = pair.split_once('=').unwrap();
            match rest.contains("Max-Age=0;") {
                true => self.cookies.remove(key),
                false => self.cookies.insert(key.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    /// Follows redirects until a page comes; gives its address and text.
    async fn open(&mut self, url: &str) -> (Url, String) {
        let mut url = Url::parse(url).unwrap();
        for _ in 0..9 {
            let answer = self.ask(self.http.get(url.clone())).await;
            let Some(location) = answer.headers().get("location") else {
                return (url, answer.text().await.unwrap());
            };
            url = url.join(location.to_str().unwrap()).unwrap();
        }
        panic!("redirects without an end, at {}", url.path())
    }
}

/// The example between gateway and sandbox; gives its address too.
pub(super) async fn start() -> (World, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = format!("http://{}", listener.local_addr().unwrap());
    let domain = site.trim_start_matches("http://").to_owned();
    let mut settings = wecomgw::sandbox::Settings::demo("127.0.0.1:0".parse().unwrap());
    settings.apps[0].trusted_domains.push(domain);
    let sandbox = super::SandboxHandle::start_with(settings).await;
    let overlay = format!("[login]\nredirect_uris = [\"{site}/callback\"]\n");
    let world = World::start_with(sandbox, &overlay).await;
    let gateway = Endpoint::from_shared(world.grpc.clone()).unwrap();
    tokio::spawn(web_login::serve(
        listener,
        web_login::Site {
            url: site.clone(),
            gateway: gateway.connect_lazy(),
            api_token: None,
        },
    ));
    (world, site)
}

#[tokio::test]
async fn the_example_logs_people_in_and_out() {
    let (world, site) = start().await;
    // Without a session the application leads to WeCom's page.
    let mut browser = Browser::new();
    let (qr, page) = browser.open(&format!("{site}/")).await;
    assert_eq!(qr.path(), "/wwlogin/sso/login");
    assert!(page.contains("张三"));
    // Back with a code, the browser ends where it began.
    let (home, page) = browser.open(&format!("{qr}&user=zhangsan")).await;
    assert_eq!(home.path(), "/");
    assert!(page.contains("Hello <b>张三</b> (zhangsan)"), "{page}");
    // With a session nothing leads to WeCom.
    let (_, page) = browser.open(&format!("{site}/")).await;
    assert!(page.contains("Hello"));
    assert_eq!(exchanges(&world).await, 1);

    // The redirect of one browser is worth nothing in another.
    let mut victim = Browser::new();
    let (qr, _) = browser.open(&format!("{site}/login")).await;
    let (_, page) = victim.open(&format!("{qr}&user=lisi")).await;
    assert!(page.contains("did not begin here"), "{page}");
    assert!(!victim.cookies.contains_key("session"));
    assert_eq!(exchanges(&world).await, 1);

    // Who turns away at WeCom's page may come again.
    let (qr, _) = victim.open(&format!("{site}/")).await;
    let (_, page) = victim.open(&format!("{qr}&cancel=1")).await;
    assert!(page.contains("Nobody logged in"), "{page}");
    // Who is no member stays out.
    let (qr, _) = victim.open(&format!("{site}/")).await;
    let (_, page) = victim.open(&format!("{qr}&user=*customer")).await;
    assert!(page.contains("no member"), "{page}");

    // A copied cookie is worth nothing after the logout.
    let copy = browser.cookies.clone();
    let answer = browser
        .ask(browser.http.post(format!("{site}/logout")))
        .await;
    assert!(answer.text().await.unwrap().contains("logged out"));
    assert!(!browser.cookies.contains_key("session"));
    let mut thief = Browser {
        cookies: copy,
        ..Browser::new()
    };
    let (led, _) = thief.open(&format!("{site}/")).await;
    assert_eq!(led.path(), "/wwlogin/sso/login");
    world.stop().await;
}
