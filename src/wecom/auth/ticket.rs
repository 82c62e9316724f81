//! Tickets for WeCom's JS-SDK: one of each kind for each app, fetched once however
//! many pages want a signature. They never leave this room.
//!
//! Source, read on 2026-11-24: <https://developer.work.weixin.qq.com/document/path/90506>

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout_at};

use super::signature::{SignPage, Signature};
use crate::wecom::call::{Call, Payload, Repeat};
use crate::wecom::client::Client;
use crate::wecom::error::{Error, Held, Reason, Result, Scope};
use crate::wecom::transport;

/// WeCom gives an app 100 tickets an hour and a corp 400, of each kind. One call
/// of ours goes out up to four times, counting repetitions and a renewed token.
const APP_PER_HOUR: usize = 100 / 4;
const CORP_PER_HOUR: usize = 400 / 4;
const HOUR: Duration = Duration::from_secs(3600);
/// A ticket is not used in its last minute, so that the page has time to show it.
const MARGIN: Duration = Duration::from_secs(60);
/// A ticket is never believed to live longer than this.
const LONGEST_LIFE: Duration = Duration::from_secs(7200);
/// Longest fetch. It goes on when the caller who began it has left.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// What a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketKind {
    /// `wx.config`: in the name of the corp.
    Config,
    /// `wx.agentConfig`: in the name of the app.
    AgentConfig,
}

/// An app's tickets.
pub(in crate::wecom) struct Tickets {
    config: Arc<Slot>,
    agent_config: Arc<Slot>,
}

/// What the apps of a corp share.
#[derive(Default)]
pub(in crate::wecom) struct CorpTickets {
    config: Hourly,
    agent_config: Hourly,
}

#[derive(Default)]
struct Slot {
    /// Held through a fetch: who comes meanwhile waits for it.
    ticket: AsyncMutex<Option<Ticket>>,
    fetched: Hourly,
}

#[derive(Clone)]
struct Ticket {
    secret: SecretString,
    unused_from: Instant,
}

impl Ticket {
    fn lives(&self) -> bool {
        Instant::now() < self.unused_from
    }
}

impl Tickets {
    pub(in crate::wecom) fn new() -> Self {
        Self {
            config: Arc::default(),
            agent_config: Arc::default(),
        }
    }

    /// Signs the address of a page for `client`'s app, one of `corp`.
    pub(in crate::wecom) async fn sign(
        &self,
        client: &Client,
        corp: &Arc<CorpTickets>,
        page: &SignPage,
        deadline: Instant,
    ) -> Result<Signature> {
        let violations = page.check();
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        let slot = match page.kind {
            TicketKind::Config => self.config.clone(),
            TicketKind::AgentConfig => self.agent_config.clone(),
        };
        if let Some(ticket) = slot.at_hand() {
            return Ok(Signature::now(ticket.secret.expose_secret(), &page.url));
        }
        let (kind, client, corp) = (page.kind, client.clone(), corp.clone());
        // In a task of its own: a caller that hangs up does not throw away what the
        // others wait for.
        let ticket = tokio::spawn(async move { slot.ticket(kind, &client, &corp).await });
        let ticket = match timeout_at(deadline, ticket).await {
            Ok(Ok(ticket)) => ticket?,
            Ok(Err(_)) => return Err(Error::Internal("the ticket's fetch was aborted".into())),
            Err(_) => {
                return Err(Error::Deadline {
                    path: path(page.kind),
                    sent: false,
                });
            }
        };
        Ok(Signature::now(ticket.secret.expose_secret(), &page.url))
    }
}

impl Slot {
    /// The ticket, if it lives and nobody is fetching.
    fn at_hand(&self) -> Option<Ticket> {
        let ticket = self.ticket.try_lock().ok()?;
        ticket.as_ref().filter(|ticket| ticket.lives()).cloned()
    }

    async fn ticket(
        &self,
        kind: TicketKind,
        client: &Client,
        corp: &CorpTickets,
    ) -> Result<Ticket> {
        let mut ticket = self.ticket.lock().await;
        if let Some(ticket) = ticket.as_ref().filter(|ticket| ticket.lives()) {
            return Ok(ticket.clone());
        }
        let now = Instant::now();
        let shared = match kind {
            TicketKind::Config => &corp.config,
            TicketKind::AgentConfig => &corp.agent_config,
        };
        self.fetched.check(APP_PER_HOUR, "an app", kind)?;
        shared.check(CORP_PER_HOUR, "a corp", kind)?;
        self.fetched.note();
        shared.note();
        let deadline = now + FETCH_TIMEOUT;
        let reply = match kind {
            TicketKind::Config => client.call(&GetJsApiTicket, deadline).await?,
            TicketKind::AgentConfig => client.call(&GetAgentTicket, deadline).await?,
        };
        if reply.ticket.expose_secret().is_empty() {
            return Err(Error::Unreachable {
                path: path(kind),
                reason: Reason::Garbled,
                retry_after: MARGIN,
            });
        }
        let life = Duration::from_secs(reply.expires_in.try_into().unwrap_or(0)).min(LONGEST_LIFE);
        // Life counts from the question, not from the answer. One that ends within
        // the margin serves those who wait now, and nobody after them.
        let fresh = Ticket {
            secret: reply.ticket,
            unused_from: now + life.saturating_sub(MARGIN),
        };
        *ticket = Some(fresh.clone());
        Ok(fresh)
    }
}

/// Times of the last hour.
#[derive(Default)]
struct Hourly(Mutex<VecDeque<Instant>>);

impl Hourly {
    fn check(&self, limit: usize, whose: &str, kind: TicketKind) -> Result<()> {
        let now = Instant::now();
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while times.front().is_some_and(|at| *at + HOUR <= now) {
            times.pop_front();
        }
        match times.front() {
            Some(oldest) if times.len() >= limit => Err(Error::Paced(Held {
                scope: Scope::One,
                subject: format!("api:{}", path(kind)),
                limit: format!("{limit}/h fetches of a ticket by {whose}"),
                retry_after: *oldest + HOUR - now,
            })),
            _ => Ok(()),
        }
    }

    fn note(&self) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.push_back(Instant::now());
    }
}

fn path(kind: TicketKind) -> &'static str {
    match kind {
        TicketKind::Config => GetJsApiTicket::PATH,
        TicketKind::AgentConfig => GetAgentTicket::PATH,
    }
}

/// One call of get_jsapi_ticket.
struct GetJsApiTicket;

/// One call of ticket/get with `type` `agent_config`.
struct GetAgentTicket;

#[derive(Deserialize)]
struct Reply {
    ticket: SecretString,
    #[serde(deserialize_with = "transport::number_or_string")]
    expires_in: i64,
}

impl Call for GetJsApiTicket {
    const PATH: &'static str = "get_jsapi_ticket";
    type Reply = Reply;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::Query(Vec::new())
    }
}

impl Call for GetAgentTicket {
    const PATH: &'static str = "ticket/get";
    type Reply = Reply;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::Query(vec![("type", "agent_config".to_owned())])
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn limit_of_an_hour_slides() {
        let hourly = Hourly::default();
        let take = || {
            let verdict = hourly.check(3, "an app", TicketKind::Config);
            if verdict.is_ok() {
                hourly.note();
            }
            verdict
        };
        for _ in 0..3 {
            take().expect("within the limit");
            advance(Duration::from_secs(60)).await;
        }
        let Err(Error::Paced(held)) = take() else {
            panic!("a fourth in the hour")
        };
        assert_eq!(held.retry_after, HOUR - Duration::from_secs(180));
        advance(held.retry_after).await;
        take().expect("the first has left the hour");
        take().expect_err("only the first");
    }

    #[test]
    fn documented_tickets_are_read() {
        for (name, ticket) in [
            ("get_jsapi_ticket", "js-ticket-000001"),
            ("ticket/get", "agent-ticket-000001"),
        ] {
            let path = format!("tests/fixtures/cgi-bin/{name}.response.json");
            let body = std::fs::read(path).expect(name);
            let reply = transport::decode::<Reply>(&body).expect("an envelope");
            let reply = reply.expect("a success");
            assert_eq!(reply.ticket.expose_secret(), ticket);
            assert_eq!(reply.expires_in, 7200);
        }
    }
}
