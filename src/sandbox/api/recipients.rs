//! Who a message is for, and whom of them it reaches.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90236> (read 2026-02).

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::fields::{Fields, text};
use crate::sandbox::answer::{Refusal, Verdict};
use crate::sandbox::directory::{Roster, Scope, Seat};
use crate::sandbox::inbox::Invalid;

const MAX_USERS: usize = 1000;
const MAX_PARTIES: usize = 100;
const MAX_TAGS: usize = 100;

/// The value of touser that means the whole visible range.
const EVERYONE: &str = "@all";

/// The recipients as named in the request.
pub(super) enum Recipients<'a> {
    Everyone,
    Named {
        users: Vec<&'a str>,
        parties: Vec<&'a str>,
        tags: Vec<&'a str>,
    },
}

/// The recipients as found in the directory.
#[derive(Default)]
pub(super) struct Resolved {
    /// Whom to deliver to, each once.
    pub(super) seats: Vec<Seat>,
    pub(super) unlicensed: Vec<Arc<str>>,
    pub(super) invalid: Invalid,
    /// Whether no recipient named was good.
    pub(super) nobody: bool,
}

impl<'a> Recipients<'a> {
    pub(super) fn parse(body: &'a Fields, msg_type: &str) -> Verdict<Self> {
        let [users, parties, tags] = ["touser", "toparty", "totag"].map(|name| {
            let ids = text(body, name).split('|');
            ids.filter(|id| !id.is_empty()).collect::<Vec<_>>()
        });
        if users == [EVERYONE] {
            if msg_type == "miniprogram_notice" {
                return Err(Refusal::bad(
                    "touser @all not supported by miniprogram_notice.",
                ));
            }
            return Ok(Self::Everyone);
        }
        if users.is_empty() && parties.is_empty() && tags.is_empty() {
            return Err(Refusal::new(82001, "All touser & toparty & totag invalid"));
        }
        if users.len() > MAX_USERS {
            return Err(Refusal::new(40032, "invalid userid list length"));
        }
        if parties.len() > MAX_PARTIES {
            return Err(Refusal::new(82002, "toparty list too long"));
        }
        if tags.len() > MAX_TAGS {
            return Err(Refusal::new(82003, "totag list too long"));
        }
        Ok(Self::Named {
            users,
            parties,
            tags,
        })
    }

    pub(super) fn resolve(self, roster: &Roster, scope: &Scope) -> Resolved {
        let mut resolved = Resolved::default();
        let mut found = Vec::new();
        match self {
            Self::Everyone => found = scope.everyone(),
            Self::Named {
                users,
                parties,
                tags,
            } => {
                let named = users.len() + parties.len() + tags.len();
                resolved.invalid = look_up(roster, scope, [users, parties, tags], &mut found);
                resolved.nobody = resolved.invalid.count() == named;
            }
        }
        let mut met = HashSet::with_capacity(found.len());
        found.retain(|&seat| met.insert(seat));
        let licensed = |seat: &Seat| roster.member(*seat).licensed;
        let (licensed, unlicensed) = found.into_iter().partition(licensed);
        resolved.seats = licensed;
        resolved.unlicensed = ids(roster, &unlicensed);
        resolved
    }
}

/// Adds the members found, and answers what was not.
fn look_up(
    roster: &Roster,
    scope: &Scope,
    [users, parties, tags]: [Vec<&str>; 3],
    found: &mut Vec<Seat>,
) -> Invalid {
    let mut invalid = Invalid::default();
    for user in users {
        match roster.seat(user).filter(|&seat| scope.sees(seat)) {
            Some(seat) => found.push(seat),
            // Lower case, whatever the request said: this is how WeCom returns them.
            None => invalid.users.push(user.to_lowercase()),
        }
    }
    for party in parties {
        match party.parse().ok().filter(|&id| scope.sees_department(id)) {
            Some(id) => found.extend(roster.in_department(id)),
            None => invalid.parties.push(party.to_owned()),
        }
    }
    for tag in tags {
        let members = tag.parse().ok().and_then(|id| roster.in_tag(id));
        let mut members = members.unwrap_or_default();
        members.retain(|&seat| scope.sees(seat));
        if members.is_empty() {
            invalid.tags.push(tag.to_owned());
        }
        found.append(&mut members);
    }
    invalid
}

pub(super) fn ids(roster: &Roster, seats: &[Seat]) -> Vec<Arc<str>> {
    seats
        .iter()
        .map(|&seat| Arc::clone(roster.user_id(seat)))
        .collect()
}

impl Invalid {
    fn count(&self) -> usize {
        self.users.len() + self.parties.len() + self.tags.len()
    }
}

impl Resolved {
    /// The lists of the answer: strings joined with `|`, left out when empty
    /// unless `empty_lists` asks for `""`.
    pub(super) fn lists(&self, empty_lists: bool) -> Map<String, Value> {
        let unlicensed = self.unlicensed.iter().map(|id| id.to_lowercase());
        let lists = [
            ("invaliduser", self.invalid.users.join("|")),
            ("invalidparty", self.invalid.parties.join("|")),
            ("invalidtag", self.invalid.tags.join("|")),
            ("unlicenseduser", unlicensed.collect::<Vec<_>>().join("|")),
        ];
        let shown = lists
            .into_iter()
            .filter(|(_, list)| empty_lists || !list.is_empty());
        shown
            .map(|(name, list)| (name.to_owned(), list.into()))
            .collect()
    }
}
