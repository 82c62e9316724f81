//! What a login leaves behind: codes, tickets for sensitive fields, and tickets for the
//! JS-SDK.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/91023>,
//! <https://developer.work.weixin.qq.com/document/path/95833>,
//! <https://developer.work.weixin.qq.com/document/path/90506> (read 2026-02).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::{Refusal, Verdict};
use super::directory::Seat;
use super::settings::App;

const CODE_PREFIX: &str = "sandbox-code-";
const USER_TICKET_PREFIX: &str = "sandbox-user-ticket-";
const JS_TICKET_PREFIX: &str = "sandbox-js-ticket-";

/// The pages allow 512 bytes for each; real ones are about this long.
const LENGTH: usize = 86;

const CODE_LIFE: Duration = Duration::from_secs(300);
const USER_TICKET_LIFE: Duration = Duration::from_secs(1800);

/// Codes and tickets remembered before old ones are swept out.
const SWEEP_AT: usize = 4096;

/// JS-SDK tickets in an hour, of each kind.
const APP_PER_HOUR: usize = 100;
const CORP_PER_HOUR: usize = 400;
const HOUR: Duration = Duration::from_secs(3600);

/// Who is at the login page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visitor {
    /// A member of the corp.
    Member(Seat),
    /// A member of another corp that is linked to this one.
    Linked,
    /// No member, but a customer of one.
    Customer,
    /// No member.
    Stranger,
}

/// A code that was sent to a redirect address.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) app: usize,
    /// Host and port of the redirect address.
    pub(super) domain: String,
    pub(super) visitor: Visitor,
    /// Whether the member agreed to show sensitive fields.
    pub(super) private_info: bool,
}

/// What a JS-SDK ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum JsTicket {
    Config,
    AgentConfig,
}

/// All logins of the corp.
pub(super) struct Logins {
    codes: HashMap<String, Issued<Code>>,
    user_tickets: HashMap<String, Issued<(usize, Seat)>>,
    js_tickets: HashMap<(usize, JsTicket), (String, Instant)>,
    js_fetches: VecDeque<(Instant, usize, JsTicket)>,
}

struct Issued<T> {
    what: T,
    at: Instant,
    used: bool,
}

impl<T> Issued<T> {
    fn now(what: T) -> Self {
        Self {
            what,
            at: Instant::now(),
            used: false,
        }
    }
}

impl Logins {
    pub(super) fn new() -> Self {
        Self {
            codes: HashMap::new(),
            user_tickets: HashMap::new(),
            js_tickets: HashMap::new(),
            js_fetches: VecDeque::new(),
        }
    }

    pub(super) fn issue_code(&mut self, code: Code) -> String {
        if self.codes.len() >= SWEEP_AT {
            self.codes.retain(|_, code| code.at.elapsed() < CODE_LIFE);
        }
        let text = random(CODE_PREFIX);
        self.codes.insert(text.clone(), Issued::now(code));
        text
    }

    /// Uses a code up for the app of the token, at this place among `apps`. Another app's
    /// token leaves the code as it is.
    pub(super) fn use_code(
        &mut self,
        text: &str,
        app: usize,
        apps: &[App],
        used_is_42022: bool,
    ) -> Verdict<Code> {
        let invalid = || Refusal::new(40029, "invalid code");
        let code = self.codes.get_mut(text).ok_or_else(invalid)?;
        if code.what.app != app {
            // The domain is looked up in the app of the token, which is why a mix-up of
            // apps mostly looks like an untrusted domain.
            return Err(match apps[app].trusts(&code.what.domain) {
                true => invalid(),
                false => Refusal::new(50001, "redirect_uri unauthorized"),
            });
        }
        if code.used {
            return Err(match used_is_42022 {
                true => Refusal::new(42022, "code has been used"),
                false => invalid(),
            });
        }
        if code.at.elapsed() >= CODE_LIFE {
            return Err(Refusal::new(42003, "code expired"));
        }
        code.used = true;
        Ok(code.what.clone())
    }

    pub(super) fn issue_user_ticket(&mut self, app: usize, seat: Seat) -> String {
        if self.user_tickets.len() >= SWEEP_AT {
            self.user_tickets
                .retain(|_, ticket| ticket.at.elapsed() < USER_TICKET_LIFE);
        }
        let text = random(USER_TICKET_PREFIX);
        let ticket = Issued::now((app, seat));
        self.user_tickets.insert(text.clone(), ticket);
        text
    }

    /// Whose ticket it is. It may be shown again.
    pub(super) fn user_ticket(&self, text: &str, app: usize) -> Verdict<Seat> {
        match self.user_tickets.get(text) {
            Some(ticket) if ticket.what.0 == app => match ticket.at.elapsed() < USER_TICKET_LIFE {
                true => Ok(ticket.what.1),
                false => Err(Refusal::new(84014, "user_ticket expired")),
            },
            _ => Err(Refusal::new(84015, "invalid user_ticket")),
        }
    }

    /// The ticket of an app, and the seconds it has left.
    pub(super) fn js_ticket(
        &mut self,
        app: usize,
        kind: JsTicket,
        life: Duration,
    ) -> Verdict<(String, u64)> {
        let now = Instant::now();
        while self
            .js_fetches
            .front()
            .is_some_and(|(at, ..)| *at + HOUR <= now)
        {
            self.js_fetches.pop_front();
        }
        let of_kind = self.js_fetches.iter().filter(|(.., other)| *other == kind);
        let by_corp = of_kind.clone().count();
        let by_app = of_kind.filter(|(_, other, _)| *other == app).count();
        if by_corp >= CORP_PER_HOUR || by_app >= APP_PER_HOUR {
            return Err(Refusal::new(45009, "api freq out of limit"));
        }
        self.js_fetches.push_back((now, app, kind));
        let ticket = self
            .js_tickets
            .entry((app, kind))
            .or_insert_with(|| (String::new(), now));
        if ticket.1 <= now {
            *ticket = (random(JS_TICKET_PREFIX), now + life);
        }
        Ok((ticket.0.clone(), (ticket.1 - now).as_secs()))
    }
}

fn random(prefix: &str) -> String {
    let random = std::iter::repeat_with(fastrand::alphanumeric);
    let random = random.take(LENGTH - prefix.len());
    prefix.chars().chain(random).collect()
}
