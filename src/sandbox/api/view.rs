//! What the bearer of a token sees of the directory.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90196> (read 2026-02) on
//! the fields kept from new apps and on the contact-sync secret, the error codes from
//! <https://developer.work.weixin.qq.com/document/path/90313>.

use serde_json::{Map, json};

use crate::sandbox::answer::{Refusal, Verdict};
use crate::sandbox::corp::Corp;
use crate::sandbox::directory::{Roster, Scope, Seat};
use crate::sandbox::token::Bearer;

/// A bearer's view.
pub(super) struct View<'a> {
    pub(super) roster: &'a Roster,
    /// The visible range; `None` is the whole corp.
    scope: Option<&'a Scope>,
    /// Whether mobile, e-mail, pictures, gender and address are shown.
    pub(super) private: bool,
}

impl<'a> View<'a> {
    /// Of ids, which the contact-sync secret sees from everywhere.
    pub(super) fn of_ids(corp: &'a Corp, bearer: Bearer) -> Self {
        let (scope, private) = match bearer {
            Bearer::App(app) => {
                let old = corp.modes.old_apps.contains(&corp.apps[app].agent_id);
                (Some(&corp.scopes[app]), old)
            }
            Bearer::Contacts => (None, true),
        };
        Self {
            roster: &corp.roster,
            scope,
            private,
        }
    }

    /// Of details, which the contact-sync secret sees from old addresses only.
    pub(super) fn of_details(corp: &'a Corp, bearer: Bearer) -> Verdict<Self> {
        if bearer == Bearer::Contacts && !corp.modes.contacts_details {
            let words = "api forbidden for contact sync from new ip";
            return Err(Refusal::new(48009, words));
        }
        Ok(Self::of_ids(corp, bearer))
    }

    pub(super) fn sees(&self, seat: Seat) -> bool {
        self.scope.is_none_or(|scope| scope.sees(seat))
    }

    pub(super) fn sees_department(&self, id: u32) -> bool {
        self.scope.is_none_or(|scope| scope.sees_department(id))
    }

    /// The department that a parameter names.
    pub(super) fn department(&self, id: Option<&str>) -> Verdict<u32> {
        let id = id.and_then(|id| id.parse().ok()).filter(|id| *id != 0);
        let id: u32 = id.ok_or_else(|| no_department(60123, "invalid party id"))?;
        if self.roster.department(id).is_none() {
            return Err(no_department(60003, "department not found"));
        }
        if !self.sees_department(id) {
            return Err(out_of_range());
        }
        Ok(id)
    }

    /// The userid of the one who leads a department: the first who sits in it.
    pub(super) fn leader(&self, id: u32) -> Option<Seat> {
        self.roster.sitting(id).first().copied()
    }
}

/// A refusal with the empty field that goes with it.
fn no_department(code: i64, words: &str) -> Refusal {
    let fields = Map::from_iter([("department".into(), json!([]))]);
    Refusal::new(code, words).with(fields)
}

/// What is named is there, but not for this bearer.
pub(super) fn out_of_range() -> Refusal {
    Refusal::new(60011, "no privilege to access/modify contact/party/agent ")
}
