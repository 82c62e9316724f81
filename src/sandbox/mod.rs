//! stub
#![allow(missing_docs)]
pub struct Settings {
    pub listen: std::net::SocketAddr,
    pub corp_id: String,
    pub apps: Vec<App>,
}
#[derive(Clone)]
pub struct App {
    pub name: String,
    pub agent_id: u32,
    pub secret: secrecy::SecretString,
}
impl Settings {
    pub fn demo(listen: std::net::SocketAddr) -> Self {
        Self {
            listen,
            corp_id: String::new(),
            apps: vec![],
        }
    }
}
pub struct Sandbox;
impl Sandbox {
    pub async fn bind(_: Settings) -> std::io::Result<Self> {
        Ok(Self)
    }
    pub fn base_url(&self) -> String {
        String::new()
    }
    pub async fn run(self, _: tokio_util::sync::CancellationToken) {}
}
