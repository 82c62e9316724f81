//! What WeCom says of an app, and the step that mends each known mistake. Nothing
//! here sends a message or changes anything.

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use super::call::{Call, Payload, Repeat};
use super::client::Client;
use super::errcode::Entry;
use super::error::{Error, Refusal};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Ok,
    /// Works, with a limitation.
    Warning,
    /// Does not work.
    Failed,
    /// Could not be made because an earlier check failed.
    Skipped,
}

/// One check with its result.
#[derive(Debug, Clone)]
pub struct Check {
    /// Stable name.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found, for a human.
    pub finding: String,
    /// The step that mends it; empty when nothing is wrong.
    pub remedy: String,
    /// WeCom's code; 0 when there was none.
    pub errcode: i64,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, finding: impl Into<String>, remedy: &str) -> Self {
        let (finding, remedy) = (finding.into(), remedy.to_owned());
        Self {
            name,
            verdict,
            finding,
            remedy,
            errcode: 0,
        }
    }

    fn failed(name: &'static str, error: &Error) -> Self {
        let refusal = match error {
            Error::Refused { refusal, .. }
            | Error::Credential { refusal, .. }
            | Error::RateLimited { refusal, .. } => Some(refusal),
            _ => None,
        };
        let hint = refusal
            .and_then(Refusal::entry)
            .map(|Entry { hint, .. }| *hint);
        let mut finding = error.to_string();
        if let Some(address) = refusal.and_then(|refusal| refusal.refused_ip) {
            finding.push_str(&format!("; WeCom sees the gateway as {address}"));
        }
        let remedy =
            hint.unwrap_or("Check that the gateway reaches the address in [wecom] base_url.");
        let errcode = refusal.map_or(0, |refusal| refusal.errcode);
        Self {
            errcode,
            ..Self::new(name, Verdict::Failed, finding, remedy)
        }
    }
}

/// The checks in their order; each needs those before it.
const TOKEN: &str = "gettoken";
const ADDRESS: &str = "caller_address";
const AGENT: &str = "agent";
const VISIBLE: &str = "visible_range";
const DOMAIN: &str = "redirect_domain";

impl Client {
    /// Asks WeCom about the app.
    pub async fn diagnose(&self, deadline: Instant) -> Vec<Check> {
        let mut checks = Vec::new();
        if self.checks(&mut checks, deadline).await.is_none() {
            let made = checks.len();
            let rest = [TOKEN, ADDRESS, AGENT, VISIBLE, DOMAIN]
                .into_iter()
                .skip(made);
            checks.extend(rest.map(|name| {
                Check::new(
                    name,
                    Verdict::Skipped,
                    "not checked, since the check before it failed",
                    "",
                )
            }));
        }
        checks
    }

    /// `None` when a check failed that the rest needs.
    async fn checks(&self, checks: &mut Vec<Check>, deadline: Instant) -> Option<()> {
        let token = self.fetch_token(deadline).await;
        checks.push(match &token {
            Ok(()) => Check::new(TOKEN, Verdict::Ok, "corp id and secret are good", ""),
            Err(error) => Check::failed(TOKEN, error),
        });
        token.ok()?;
        let address = self.call(&DomainAddresses, deadline).await;
        checks.push(match &address {
            Ok(_) => Check::new(
                ADDRESS,
                Verdict::Ok,
                "WeCom trusts the gateway's address",
                "",
            ),
            Err(error) => Check::failed(ADDRESS, error),
        });
        address.ok()?;
        let agent = self
            .call(
                &GetAgent {
                    agent_id: self.agent_id(),
                },
                deadline,
            )
            .await;
        checks.push(match &agent {
            Ok(Agent { close: 1, name, .. }) => Check::new(
                AGENT,
                Verdict::Failed,
                format!("the app {name:?} is switched off"),
                "Switch the app on in WeCom's admin console.",
            ),
            Ok(Agent { name, .. }) => {
                Check::new(AGENT, Verdict::Ok, format!("the app is {name:?}"), "")
            }
            Err(error) => Check::failed(AGENT, error),
        });
        let agent = agent.ok()?;
        checks.push(agent.visible_range());
        checks.push(agent.domain());
        Some(())
    }
}

/// agent/get. Source: <https://developer.work.weixin.qq.com/document/path/90227>
/// (read through public copies, 2026-11-24).
struct GetAgent {
    agent_id: u32,
}

#[derive(Deserialize)]
struct Agent {
    #[serde(default)]
    name: String,
    #[serde(default)]
    close: i64,
    #[serde(default)]
    redirect_domain: String,
    #[serde(default)]
    allow_userinfos: Users,
    #[serde(default)]
    allow_partys: Departments,
    #[serde(default)]
    allow_tags: Tags,
}

#[derive(Default, Deserialize)]
struct Users {
    #[serde(default)]
    user: Vec<IgnoredAny>,
}

#[derive(Default, Deserialize)]
struct Departments {
    #[serde(default)]
    partyid: Vec<i64>,
}

#[derive(Default, Deserialize)]
struct Tags {
    #[serde(default)]
    tagid: Vec<i64>,
}

/// The root department.
const ROOT_DEPARTMENT: i64 = 1;

impl Agent {
    fn visible_range(&self) -> Check {
        let [users, departments, tags] = [
            self.allow_userinfos.user.len(),
            self.allow_partys.partyid.len(),
            self.allow_tags.tagid.len(),
        ];
        let range = format!("{users} member(s), {departments} department(s), {tags} tag(s)");
        if users + departments + tags == 0 {
            let remedy = "Give the app a visible range (可见范围) in WeCom's admin console: messages reach nobody.";
            return Check::new(VISIBLE, Verdict::Failed, "nobody can see the app", remedy);
        }
        if self.allow_partys.partyid.contains(&ROOT_DEPARTMENT) {
            return Check::new(
                VISIBLE,
                Verdict::Ok,
                format!("{range}, the root department among them"),
                "",
            );
        }
        let remedy =
            "Add the root department to the app's visible range if it is to run group chats.";
        Check::new(
            VISIBLE,
            Verdict::Warning,
            format!("{range}; group chats need the root department"),
            remedy,
        )
    }

    fn domain(&self) -> Check {
        if self.redirect_domain.is_empty() {
            let remedy = "Set the login page's host as the app's trusted domain (可信域名) if people are to log in.";
            return Check::new(
                DOMAIN,
                Verdict::Warning,
                "no trusted domain is set; login would fail",
                remedy,
            );
        }
        Check::new(
            DOMAIN,
            Verdict::Ok,
            format!("the trusted domain is {}", self.redirect_domain),
            "",
        )
    }
}

impl Call for GetAgent {
    const PATH: &'static str = "agent/get";
    type Reply = Agent;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::Query(vec![("agentid", self.agent_id.to_string())])
    }
}

/// get_api_domain_ip, the least call that WeCom answers to trusted addresses only.
/// Source: <https://developer.work.weixin.qq.com/document/path/92520>.
struct DomainAddresses;

impl Call for DomainAddresses {
    const PATH: &'static str = "get_api_domain_ip";
    type Reply = IgnoredAny;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::Query(Vec::new())
    }
}
