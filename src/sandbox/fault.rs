//! Faults on demand: which call fails, and how.

use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::call::{self, Call};

/// Path that stands for every call.
const ANY_PATH: &str = "*";

/// Rules held at once; a test that sets more has lost count.
const MAX_RULES: usize = 1000;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Fault {
    /// Not processed; this errcode.
    Errcode { code: i64, errmsg: Option<String> },
    /// Not processed; this HTTP status.
    HttpStatus { status: u16, body: Option<String> },
    /// Not processed; HTTP 200 with a page, as a proxy in the way would send.
    Html,
    /// Processed, but answered this much later, up to the maximum if there is one. Joins
    /// any other fault.
    LatencyMs {
        latency_ms: u64,
        latency_max_ms: Option<u64>,
    },
    /// Not processed; the socket is reset.
    ResetBefore,
    /// Processed; the socket is reset instead of an answer.
    ResetAfter,
    /// Processed; answered with this errcode all the same.
    ErrcodeAfter { code: i64, errmsg: Option<String> },
    /// Processed; the socket closes after half of the answer.
    TruncatedBody,
    /// Processed; the answer is not JSON.
    Garbled,
    /// Processed; the answer has no body.
    EmptyBody,
    /// The call's token is revoked first, hence 40014.
    KillToken,
    /// The call's token expires first, hence 42001.
    ExpireToken,
    /// Processed; the answer is padded to this many bytes, 16 MiB by default.
    HugeBody { bytes: Option<u64> },
}

impl Fault {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Errcode { .. } => "errcode",
            Self::HttpStatus { .. } => "http_status",
            Self::Html => "html",
            Self::LatencyMs { .. } => "latency_ms",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
            Self::ErrcodeAfter { .. } => "errcode_after",
            Self::TruncatedBody => "truncated_body",
            Self::Garbled => "garbled",
            Self::EmptyBody => "empty_body",
            Self::KillToken => "kill_token",
            Self::ExpireToken => "expire_token",
            Self::HugeBody { .. } => "huge_body",
        }
    }
}

/// An order for faults, as `POST /sandbox/faults` takes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    path: String,
    fault: Fault,
    count: Option<u64>,
    skip: Option<u64>,
    percent: Option<u8>,
    seed: Option<u64>,
    user: Option<String>,
}

/// An order at work, as `GET /sandbox/faults` shows it.
#[derive(Serialize)]
pub(super) struct Rule {
    path: String,
    fault: Fault,
    /// Calls still to let pass.
    skip: u64,
    /// Calls still to hit; `null` until cleared.
    remaining: Option<u64>,
    hits: u64,
    /// Share of the calls that is hit, by chance.
    percent: u8,
    /// Only calls that name this member in `touser` are hit.
    user: Option<String>,
    /// The same seed hits the same calls.
    #[serde(skip)]
    chance: Rng,
}

impl Rule {
    /// Whether this call is hit; counts it either way.
    fn hits(&mut self, call: &Call) -> bool {
        if self.remaining == Some(0) || (self.path != ANY_PATH && self.path != call.path) {
            return false;
        }
        if self.user.as_ref().is_some_and(|user| !names(call, user)) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.chance.u8(..100) >= self.percent {
            return false;
        }
        self.remaining = self.remaining.map(|left| left - 1);
        self.hits += 1;
        true
    }
}

/// Whether a call names a member in `touser`.
fn names(call: &Call, user: &str) -> bool {
    #[derive(Deserialize)]
    struct Recipients {
        touser: String,
    }
    let recipients = serde_json::from_slice(&call.body);
    recipients.is_ok_and(|Recipients { touser }| {
        let mut users = touser.split('|');
        users.any(|named| named.eq_ignore_ascii_case(user))
    })
}

/// What hits one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) fault: Option<Fault>,
    pub(super) latency: Duration,
}

impl Taken {
    pub(super) fn name(&self) -> Option<&'static str> {
        let late = (!self.latency.is_zero()).then_some("latency_ms");
        self.fault.as_ref().map(Fault::name).or(late)
    }
}

/// All rules, in the order they came.
pub(super) struct Faults(Vec<Rule>);

impl Faults {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Puts an order to work, or says why not.
    pub(super) fn add(&mut self, order: Order) -> Result<(), String> {
        if self.0.len() >= MAX_RULES {
            return Err(format!(
                "{MAX_RULES} rules are set already; clear them first"
            ));
        }
        if let Fault::HttpStatus { status, .. } = order.fault
            && !(200..600).contains(&status)
        {
            return Err(format!("{status} is no final HTTP status"));
        }
        let percent = order.percent.unwrap_or(100);
        if !(1..=100).contains(&percent) {
            return Err(format!("{percent} percent is no share of the calls"));
        }
        self.0.push(Rule {
            path: call::short(&order.path).to_owned(),
            fault: order.fault,
            skip: order.skip.unwrap_or(0),
            remaining: order.count.filter(|&count| count > 0),
            hits: 0,
            percent,
            user: order.user,
            chance: Rng::with_seed(order.seed.unwrap_or(0)),
        });
        Ok(())
    }

    /// What hits this call: the first rule that is due, and every latency.
    pub(super) fn take(&mut self, call: &Call) -> Taken {
        let mut taken = Taken::default();
        for rule in &mut self.0 {
            if let Fault::LatencyMs {
                latency_ms,
                latency_max_ms,
            } = rule.fault
            {
                if rule.hits(call) {
                    let most = latency_max_ms.unwrap_or(latency_ms).max(latency_ms);
                    let latency_ms = rule.chance.u64(latency_ms..=most);
                    taken.latency += Duration::from_millis(latency_ms);
                }
            } else if taken.fault.is_none() && rule.hits(call) {
                taken.fault = Some(rule.fault.clone());
            }
        }
        taken
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.0
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> Order {
        serde_json::from_str(text).expect("an order")
    }

    fn call(path: &str, body: &'static str) -> Call {
        let request = http::Request::post(format!("/cgi-bin/{path}")).body(());
        let (parts, ()) = request.expect("a request").into_parts();
        Call::new(&parts, body.into())
    }

    #[test]
    fn skip_then_count_then_nothing() {
        let mut faults = Faults::new();
        let text = r#"{"path":"/cgi-bin/message/send","fault":{"kind":"html"},"count":2,"skip":1}"#;
        faults.add(order(text)).expect("room");
        let hits: Vec<bool> = (0..5)
            .map(|_| {
                assert_eq!(faults.take(&call("media/upload", "")), Taken::default());
                faults.take(&call("message/send", "")).fault.is_some()
            })
            .collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert_eq!(faults.rules()[0].hits, 2);
    }

    #[test]
    fn latency_joins_and_other_faults_queue() {
        let mut faults = Faults::new();
        for fault in [
            r#"{"kind":"latency_ms","latency_ms":20}"#,
            r#"{"kind":"errcode","code":-1}"#,
            r#"{"kind":"errcode","code":45009}"#,
        ] {
            let text = format!(r#"{{"path":"*","fault":{fault},"count":1}}"#);
            faults.add(order(&text)).expect("room");
        }
        let gettoken = call("gettoken", "");
        let first = faults.take(&gettoken);
        assert_eq!(first.latency, Duration::from_millis(20));
        assert_eq!(first.name(), Some("errcode"));
        assert!(matches!(first.fault, Some(Fault::Errcode { code: -1, .. })));
        let second = faults.take(&gettoken);
        assert!(second.latency.is_zero());
        assert!(matches!(
            second.fault,
            Some(Fault::Errcode { code: 45009, .. })
        ));
        assert_eq!(faults.take(&gettoken), Taken::default());
    }

    #[test]
    fn a_share_is_hit_and_the_same_share_with_the_same_seed() {
        let struck = |seed: u64| -> Vec<bool> {
            let mut faults = Faults::new();
            let text = format!(
                r#"{{"path":"*","fault":{{"kind":"reset_after"}},"percent":20,"seed":{seed}}}"#
            );
            faults.add(order(&text)).expect("room");
            let calls = std::iter::repeat_with(|| faults.take(&call("message/send", "")));
            calls
                .take(1000)
                .map(|taken| taken.fault.is_some())
                .collect()
        };
        let hits = struck(7).iter().filter(|&&hit| hit).count();
        assert!((150..250).contains(&hits), "{hits}");
        assert_eq!(struck(7), struck(7));
        assert_ne!(struck(7), struck(8));
    }

    #[test]
    fn a_latency_lies_in_its_range() {
        let mut faults = Faults::new();
        let text =
            r#"{"path":"*","fault":{"kind":"latency_ms","latency_ms":20,"latency_max_ms":80}}"#;
        faults.add(order(text)).expect("room");
        let latencies: Vec<Duration> = (0..100)
            .map(|_| faults.take(&call("message/send", "")).latency)
            .collect();
        let range = Duration::from_millis(20)..=Duration::from_millis(80);
        assert!(latencies.iter().all(|latency| range.contains(latency)));
        assert!(latencies.iter().any(|latency| *latency != latencies[0]));
    }

    #[test]
    fn poison_hits_the_calls_that_name_it() {
        let mut faults = Faults::new();
        let text = r#"{"path":"*","fault":{"kind":"errcode","code":40003},"user":"User2"}"#;
        faults.add(order(text)).expect("room");
        for (body, hit) in [
            (r#"{"touser":"user1|user2|user3"}"#, true),
            (r#"{"touser":"user22|user1"}"#, false),
            (r#"{"toparty":"2"}"#, false),
            ("", false),
        ] {
            let taken = faults.take(&call("message/send", body));
            assert_eq!(taken.fault.is_some(), hit, "{body}");
        }
    }

    #[test]
    fn impossible_orders_are_refused() {
        let wrong = r#"{"path":"*","fault":{"kind":"errcode"}}"#;
        assert!(serde_json::from_str::<Order>(wrong).is_err());
        let status = r#"{"path":"*","fault":{"kind":"http_status","status":100}}"#;
        assert!(Faults::new().add(order(status)).is_err());
        let share = r#"{"path":"*","fault":{"kind":"html"},"percent":0}"#;
        assert!(Faults::new().add(order(share)).is_err());
    }
}
