//! Gateway and sandbox of one case.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sha2::Digest as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use wecomgw::config::Sources;
use wecomgw::gateway::{Config, DEFAULTS, Gateway};
use wecomgw::sandbox::{self, Sandbox};

use super::case::{self, Case};
use super::contract;

/// API token of the caller that may do everything, and of the one that may only read members.
pub(crate) const TOKEN: &str = "conformance-token";
const READER_TOKEN: &str = "conformance-reader-token";
/// Where logins return to.
const RETURN: &str = "https://oa.example.com/login/callback";

pub(crate) struct World {
    sandbox: String,
    http: reqwest::Client,
    channel: Channel,
    shutdown: CancellationToken,
    gateway: JoinHandle<anyhow::Result<()>>,
    /// What the setup kept, by name.
    pub(crate) kept: BTreeMap<String, String>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let demo = sandbox::Settings::demo("127.0.0.1:0".parse().unwrap());
        let sandbox = Sandbox::bind(demo).await.unwrap();
        let url = sandbox.base_url();
        let shutdown = CancellationToken::new();
        tokio::spawn(sandbox.run(shutdown.clone()));
        let settings = settings(&url);
        let config: Config = Sources::read_with(DEFAULTS, &settings, None, [])
            .and_then(|sources| sources.extract())
            .unwrap();
        // The future of `build` stays on its thread.
        let runtime = tokio::runtime::Handle::current();
        let build = move || runtime.block_on(Gateway::build(config, false));
        let gateway = tokio::task::spawn_blocking(build).await.unwrap().unwrap();
        let address = format!("http://{}", gateway.grpc_address());
        Self {
            sandbox: url,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            channel: Endpoint::from_shared(address).unwrap().connect_lazy(),
            gateway: tokio::spawn(gateway.run(shutdown.clone())),
            shutdown,
            kept: BTreeMap::new(),
        }
    }

    /// Makes the setup of a case.
    pub(crate) async fn prepare(&mut self, case: &Case, language: &str) {
        self.kept.clear();
        for (name, value) in [
            ("token", TOKEN),
            ("reader_token", READER_TOKEN),
            ("language", language),
            ("return", RETURN),
        ] {
            self.keep(name, value);
        }
        for step in &case.setup {
            self.step(step.clone()).await;
        }
        // The setup is no part of what is observed.
        let request = self.http.delete(format!("{}/sandbox/calls", self.sandbox));
        request.send().await.unwrap();
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// One step of a setup: a call of the gateway, a login, or an order for the sandbox.
    async fn step(&mut self, mut step: Value) {
        case::fill(&mut step, &self.kept);
        if let Some(path) = step["call"].as_str() {
            let path = format!("/wecomgw.v1.{path}");
            let answer = contract::call(&self.channel, &path, TOKEN, &step["request"]).await;
            for (field, name) in step["keep"].as_object().into_iter().flatten() {
                let value = answer[field].as_str().unwrap_or_else(|| panic!("{answer}"));
                self.keep(name.as_str().unwrap(), value);
            }
        } else if let Some(user) = step["login"].as_str() {
            self.login(user, &step).await;
        } else if let Some(path) = step["sandbox"].as_str() {
            let url = format!("{}/sandbox/{path}", self.sandbox);
            let request = match path {
                "settings" => self.http.put(url),
                _ => self.http.post(url),
            };
            let request = request.header("content-type", "application/json");
            let answer = request.body(step["body"].to_string()).send().await.unwrap();
            assert!(answer.status().is_success(), "{step}: {answer:?}");
        } else {
            panic!("a step that nobody knows: {step}");
        }
    }

    /// Follows a login up to the redirect; keeps `code` and `state`.
    async fn login(&mut self, user: &str, step: &Value) {
        let mut request = json!({"app": "youxiao", "redirectUri": RETURN});
        if let Some(scope) = step.get("scope") {
            request["scope"] = scope.clone();
        }
        let path = "/wecomgw.v1.AuthService/BuildLoginUrl";
        let answer = contract::call(&self.channel, path, TOKEN, &request).await;
        let mut url = reqwest::Url::parse(answer["url"].as_str().unwrap()).unwrap();
        url.query_pairs_mut().append_pair("user", user);
        url.set_fragment(None);
        let browser = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let back = browser.get(url).send().await.unwrap();
        let back = back.headers()["location"].to_str().unwrap();
        let back = reqwest::Url::parse(back).unwrap();
        for (name, value) in back.query_pairs() {
            self.keep(&name, &value);
        }
    }

    pub(crate) fn keep(&mut self, name: &str, value: &str) {
        self.kept.insert(name.to_owned(), value.to_owned());
    }

    /// How often WeCom was called, by path.
    pub(crate) async fn calls(&self) -> BTreeMap<String, u64> {
        let request = self.http.get(format!("{}/sandbox/calls", self.sandbox));
        let answer = request.send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let calls = answer.as_array().or_else(|| answer["calls"].as_array());
        let mut counts = BTreeMap::new();
        for call in calls.into_iter().flatten() {
            let path = call["path"].as_str().unwrap_or_default().to_owned();
            *counts.entry(path).or_default() += 1;
        }
        counts
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.gateway.await.unwrap().unwrap();
    }
}

fn settings(url: &str) -> String {
    let demo = sandbox::Settings::demo("127.0.0.1:0".parse().unwrap());
    let mut settings = format!(
        "[grpc]\nlisten = \"127.0.0.1:0\"\ndrain_accept = \"0s\"\ndrain_grace = \"0s\"\n\
         [health]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [store]\nurl = \"sqlite::memory:\"\n[wecom]\nbase_url = \"{url}\"\n\
         oauth_page_base_url = \"{url}\"\nqr_page_base_url = \"{url}\"\n\
         [login]\nredirect_uris = [\"{RETURN}\"]\n"
    );
    for app in &demo.apps {
        let secret = app.secret.expose_secret();
        let contacts = demo.contacts_secret.as_ref().unwrap().expose_secret();
        let _ = write!(
            settings,
            "[[apps]]\nname = \"{}\"\ncorp_id = \"{}\"\nagent_id = {}\nsecret = \"{secret}\"\n\
             contacts_secret = \"{contacts}\"\n",
            app.name, demo.corp_id, app.agent_id
        );
    }
    for (name, token, permission) in [
        ("everything", TOKEN, "*"),
        ("reader", READER_TOKEN, "UserService/*"),
    ] {
        let digest = hex::encode(sha2::Sha256::digest(token));
        let _ = write!(
            settings,
            "[[callers]]\nname = \"{name}\"\ntoken_sha256 = \"{digest}\"\n\
             permissions = [\"{permission}\"]\napps = [\"*\"]\napi_paths = [\"agent/get\"]\n"
        );
    }
    settings
}
