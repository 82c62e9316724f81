//! Faults on demand: which call fails, and how.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::call;

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
    /// Processed, but answered this much later. Joins any other fault.
    LatencyMs { latency_ms: u64 },
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
}

impl Rule {
    /// Whether this call is hit; counts it either way.
    fn hits(&mut self, path: &str) -> bool {
        if self.remaining == Some(0) || (self.path != ANY_PATH && self.path != path) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.remaining = self.remaining.map(|left| left - 1);
        self.hits += 1;
        true
    }
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
        self.0.push(Rule {
            path: call::short(&order.path).to_owned(),
            fault: order.fault,
            skip: order.skip.unwrap_or(0),
            remaining: order.count.filter(|&count| count > 0),
            hits: 0,
        });
        Ok(())
    }

    /// What hits this call: the first rule that is due, and every latency.
    pub(super) fn take(&mut self, path: &str) -> Taken {
        let mut taken = Taken::default();
        for rule in &mut self.0 {
            if let Fault::LatencyMs { latency_ms } = rule.fault {
                if rule.hits(path) {
                    taken.latency += Duration::from_millis(latency_ms);
                }
            } else if taken.fault.is_none() && rule.hits(path) {
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

    #[test]
    fn skip_then_count_then_nothing() {
        let mut faults = Faults::new();
        let text = r#"{"path":"/cgi-bin/message/send","fault":{"kind":"html"},"count":2,"skip":1}"#;
        faults.add(order(text)).expect("room");
        let hits: Vec<bool> = (0..5)
            .map(|_| {
                assert_eq!(faults.take("media/upload"), Taken::default());
                faults.take("message/send").fault.is_some()
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
        let first = faults.take("gettoken");
        assert_eq!(first.latency, Duration::from_millis(20));
        assert_eq!(first.name(), Some("errcode"));
        assert!(matches!(first.fault, Some(Fault::Errcode { code: -1, .. })));
        let second = faults.take("gettoken");
        assert!(second.latency.is_zero());
        assert!(matches!(
            second.fault,
            Some(Fault::Errcode { code: 45009, .. })
        ));
        assert_eq!(faults.take("gettoken"), Taken::default());
    }

    #[test]
    fn impossible_orders_are_refused() {
        let wrong = r#"{"path":"*","fault":{"kind":"errcode"}}"#;
        assert!(serde_json::from_str::<Order>(wrong).is_err());
        let status = r#"{"path":"*","fault":{"kind":"http_status","status":100}}"#;
        assert!(Faults::new().add(order(status)).is_err());
    }
}
