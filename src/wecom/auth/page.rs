//! The addresses of WeCom's login pages.
//!
//! Sources, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/91022> (inside WeCom),
//! <https://developer.work.weixin.qq.com/document/path/98152> (QR code)

use reqwest::Url;

use crate::wecom::check::{Checker, Path};
use crate::wecom::id;
use crate::wecom::settings::Settings;

/// A login page to send a browser to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginPage {
    /// Which page.
    pub kind: PageKind,
    /// Where the browser returns, plain; its host and port must be a trusted
    /// domain (可信域名) of the app.
    pub redirect_uri: String,
    /// Comes back with the code: 1 to 128 letters and digits.
    pub state: String,
}

/// Which login page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// For a page inside the WeCom client.
    InApp(Scope),
    /// With a QR code, for a browser outside of it.
    QrCode(Option<Language>),
}

/// How much is asked of the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `snsapi_base`: who it is.
    Base,
    /// `snsapi_privateinfo`: also a ticket for sensitive fields, after consent.
    PrivateInfo,
}

/// Language of the page with the QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `zh`
    Chinese,
    /// `en`
    English,
}

impl LoginPage {
    /// Notes every broken rule. A state is not required: the caller makes one.
    pub fn check(&self, found: &mut Checker) {
        found.required_url(&Path::ROOT.field("redirect_uri"), &self.redirect_uri);
        if !self.state.is_empty() {
            found.id(&Path::ROOT.field("state"), id::login_state(&self.state));
        }
    }
}

/// Where WeCom's login pages are.
#[derive(Debug, Clone)]
pub(in crate::wecom) struct Pages {
    oauth: Url,
    qr: Url,
}

impl Pages {
    /// Reads the settings, or tells every fault of them.
    pub(in crate::wecom) fn new(settings: &Settings) -> Result<Self, Vec<String>> {
        let oauth = base("oauth_page_base_url", &settings.oauth_page_base_url);
        let qr = base("qr_page_base_url", &settings.qr_page_base_url);
        match (oauth, qr) {
            (Ok(oauth), Ok(qr)) => Ok(Self { oauth, qr }),
            (oauth, qr) => Err([oauth.err(), qr.err()].into_iter().flatten().collect()),
        }
    }

    /// The address of `page` for an app.
    pub(in crate::wecom) fn url(&self, page: &LoginPage, corp_id: &str, agent_id: u32) -> String {
        let LoginPage {
            kind,
            redirect_uri,
            state,
        } = page;
        let agent_id = agent_id.to_string();
        match kind {
            PageKind::InApp(scope) => {
                let scope = match scope {
                    Scope::Base => "snsapi_base",
                    Scope::PrivateInfo => "snsapi_privateinfo",
                };
                let mut url = below(&self.oauth, "connect/oauth2/authorize");
                url.query_pairs_mut()
                    .append_pair("appid", corp_id)
                    .append_pair("redirect_uri", redirect_uri)
                    .append_pair("response_type", "code")
                    .append_pair("scope", scope)
                    .append_pair("state", state)
                    .append_pair("agentid", &agent_id);
                // WeCom opens nothing without it.
                url.set_fragment(Some("wechat_redirect"));
                url.into()
            }
            PageKind::QrCode(language) => {
                let mut url = below(&self.qr, "wwlogin/sso/login");
                let mut query = url.query_pairs_mut();
                query
                    .append_pair("login_type", "CorpApp")
                    .append_pair("appid", corp_id)
                    .append_pair("agentid", &agent_id)
                    .append_pair("redirect_uri", redirect_uri)
                    .append_pair("state", state);
                match language {
                    Some(Language::Chinese) => drop(query.append_pair("lang", "zh")),
                    Some(Language::English) => drop(query.append_pair("lang", "en")),
                    None => {}
                }
                drop(query);
                url.into()
            }
        }
    }
}

fn base(key: &str, text: &str) -> Result<Url, String> {
    // Without the text: a password may stand in it.
    let fault = |rule: &str| format!("wecom.{key} {rule}");
    let url = Url::parse(text).map_err(|error| fault(&format!("is no address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(fault("must begin with https:// or http://"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(fault("takes no user, query or fragment"));
    }
    Ok(url)
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(base_url: &str) -> Pages {
        Pages {
            oauth: base("oauth_page_base_url", base_url).expect("an address"),
            qr: base("qr_page_base_url", base_url).expect("an address"),
        }
    }

    fn page(kind: PageKind) -> LoginPage {
        LoginPage {
            kind,
            redirect_uri: "https://oa.example.com:8443/login?to=首页&x=1".into(),
            state: "s1".into(),
        }
    }

    #[test]
    fn link_inside_wecom_is_as_documented() {
        let pages = pages("https://open.weixin.qq.com");
        assert_eq!(
            pages.url(&page(PageKind::InApp(Scope::Base)), "ww1", 1_000_002),
            "https://open.weixin.qq.com/connect/oauth2/authorize?appid=ww1\
             &redirect_uri=https%3A%2F%2Foa.example.com%3A8443%2Flogin%3Fto%3D%E9%A6%96%E9%A1%B5%26x%3D1\
             &response_type=code&scope=snsapi_base&state=s1&agentid=1000002#wechat_redirect"
        );
        let private = pages.url(&page(PageKind::InApp(Scope::PrivateInfo)), "ww1", 1);
        assert!(private.contains("&scope=snsapi_privateinfo&"));
    }

    #[test]
    fn qr_page_is_as_documented_and_a_prefix_is_kept() {
        let pages = pages("https://relay.example.com/wecom/");
        assert_eq!(
            pages.url(&page(PageKind::QrCode(Some(Language::English))), "ww1", 7),
            "https://relay.example.com/wecom/wwlogin/sso/login?login_type=CorpApp&appid=ww1&agentid=7\
             &redirect_uri=https%3A%2F%2Foa.example.com%3A8443%2Flogin%3Fto%3D%E9%A6%96%E9%A1%B5%26x%3D1\
             &state=s1&lang=en"
        );
        let plain = pages.url(&page(PageKind::QrCode(None)), "ww1", 7);
        assert!(plain.ends_with("&state=s1"), "{plain}");
    }

    #[test]
    fn addresses_of_pages_that_cannot_work_are_told() {
        for wrong in [
            "",
            "open.weixin.qq.com",
            "ftp://a",
            "https://a?b",
            "https://a#b",
            "https://u@a",
        ] {
            assert!(base("qr_page_base_url", wrong).is_err(), "{wrong}");
        }
    }
}
