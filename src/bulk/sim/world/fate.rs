//! What becomes of a call on its way to WeCom and back.

use crate::bulk::job::{Answer, Hold, PauseReason};
use crate::store::Cargo;

use super::{Body, CALL_TIMEOUT_MS, Ev, HOUR_MS, MINUTE_MS, Planted, Reply, World};

impl World {
    /// Makes a call, in the way that fate has for it.
    pub(super) fn call(&mut self, driver: usize, id: &str, index: u32, cargo: &Cargo, doubt: bool) {
        let life = self.drivers[driver].life;
        let mut users: Vec<_> = cargo.items.user_ids().collect();
        if doubt && self.planted == Some(Planted::RebatchOnResend) {
            users.reverse();
        }
        let body = Body {
            job: id.to_owned(),
            content: cargo.content[0],
            window_seconds: self.disk.jobs[id].job.window_seconds,
            users: users.join("|"),
        };
        let wait = self.rng.i64(5..500);
        let odds = &self.odds;
        let (lost_request, late, lost_reply) =
            (odds.lost_request, odds.late_request, odds.lost_reply);
        let held = [
            odds.unreachable,
            odds.concurrency,
            odds.member,
            odds.credential,
        ];
        let (busy, interrupted, limited) = (odds.busy, odds.interrupted, odds.limited);
        let held = held.map(|odds| self.strikes(odds));
        let at_most_asked = self.rng.bool();
        let lost = |errcode| Answer::InDoubt {
            errcode,
            detail: String::new(),
        };
        // What the driver hears, when it is not WeCom's own answer, and when WeCom hears of it.
        let (answer, arrives) = if held.contains(&true) {
            (Some((wait, Answer::Held(hold(held)))), None)
        } else if self.strikes(lost_request) {
            (Some((CALL_TIMEOUT_MS, lost(0))), None)
        } else if self.strikes(late) {
            let late = CALL_TIMEOUT_MS + self.rng.i64(0..25_000);
            (Some((CALL_TIMEOUT_MS, lost(0))), Some(late))
        } else if self.strikes(lost_reply) {
            (Some((CALL_TIMEOUT_MS, lost(0))), Some(wait))
        } else if self.strikes(busy) {
            (Some((wait, lost(-1))), at_most_asked.then_some(wait))
        } else if self.strikes(interrupted) {
            let answer = Some((wait, Answer::Interrupted));
            (answer, at_most_asked.then_some(wait))
        } else {
            (None, Some(wait))
        };
        if self.strikes(limited) {
            let most = if at_most_asked { MINUTE_MS } else { HOUR_MS };
            self.far.limited_until = self.at + most;
        }
        let waits = (driver, life, id.to_owned(), index);
        if let Some(arrives) = arrives {
            let waits = answer.is_none().then(|| waits.clone());
            self.after(arrives, Ev::Arrive(body, waits));
        }
        if let Some((wait, answer)) = answer {
            let (driver, life, id, index) = waits;
            self.after(wait, Ev::Answer(driver, life, id, index, answer));
        }
    }

    pub(super) fn arrive(&mut self, body: &Body, waits: Option<(usize, u32, String, u32)>) {
        let answer = match self.far.send(body, self.at) {
            Reply::Sent {
                invalid,
                unlicensed,
                id,
            } => Answer::Sent {
                invalid,
                unlicensed,
                message_id: Some(id.to_string()),
                response_code: None,
            },
            Reply::AllInvalid => Answer::AllInvalid,
            Reply::Refused { by_recipient } => refused(40_003, by_recipient, false),
            Reply::Repeated => refused(1, false, true),
            Reply::Limited => Answer::Held(Hold::Lane {
                reason: PauseReason::RateLimited,
                wait_ms: 0,
                errcode: 45_009,
                detail: String::new(),
            }),
        };
        if let Some((driver, life, id, index)) = waits {
            let wait = self.rng.i64(5..500);
            self.after(wait, Ev::Answer(driver, life, id, index, answer));
        }
    }
}

fn refused(errcode: i64, by_recipient: bool, may_follow_success: bool) -> Answer {
    Answer::Refused {
        errcode,
        detail: String::new(),
        by_recipient,
        may_follow_success,
    }
}

fn hold([unreachable, concurrency, member, _]: [bool; 4]) -> Hold {
    let detail = String::new();
    if unreachable {
        return Hold::Unreachable { detail };
    }
    if concurrency {
        return Hold::Concurrency;
    }
    if member {
        return Hold::Member { wait_ms: MINUTE_MS };
    }
    Hold::Lane {
        reason: PauseReason::Credential,
        wait_ms: 0,
        errcode: 40_001,
        detail,
    }
}
