//! WeCom: its duplicate check, its refusals, and a ledger of what it delivered.

use std::collections::HashMap;

/// The bytes of a call, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Body {
    pub(super) job: String,
    pub(super) content: u8,
    pub(super) window_seconds: Option<u32>,
    /// `touser`, as it stands in the bytes.
    pub(super) users: String,
}

/// What the answer to a repetition looks like: nobody knows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Repetition {
    SameId,
    NewId,
    Error,
}

/// WeCom's answer.
#[derive(Debug)]
pub(super) enum Reply {
    Sent {
        invalid: Vec<u16>,
        unlicensed: Vec<u16>,
        id: u64,
    },
    AllInvalid,
    Refused {
        by_recipient: bool,
    },
    Repeated,
    Limited,
}

pub(super) struct Delivery {
    pub(super) job: String,
    pub(super) content: u8,
    /// In lower case: WeCom does not distinguish.
    pub(super) user: String,
}

pub(super) struct Far {
    pub(super) ledger: Vec<Delivery>,
    seen: HashMap<Body, (i64, u64)>,
    repetition: Repetition,
    pub(super) limited_until: i64,
    next_id: u64,
}

impl Far {
    pub(super) fn new(repetition: Repetition) -> Self {
        Self {
            ledger: Vec::new(),
            seen: HashMap::new(),
            repetition,
            limited_until: 0,
            next_id: 0,
        }
    }

    /// A call arrives. The first letter of a member tells what WeCom thinks of it; content 9 is
    /// refused whoever gets it.
    pub(super) fn send(&mut self, body: &Body, at_ms: i64) -> Reply {
        if at_ms < self.limited_until {
            return Reply::Limited;
        }
        let users = || (0_u16..).zip(body.users.split('|'));
        let of = |letter| {
            let like = move |user: &str| user.to_ascii_lowercase().starts_with(letter);
            users()
                .filter(|(_, user)| like(user))
                .map(|(place, _)| place)
                .collect::<Vec<_>>()
        };
        if !of('p').is_empty() || body.content == 9 {
            return Reply::Refused {
                by_recipient: body.content != 9,
            };
        }
        let (invalid, unlicensed) = (of('i'), of('l'));
        if invalid.len() == users().count() {
            return Reply::AllInvalid;
        }
        let seen = self.seen.get(body).filter(|(seen_ms, _)| {
            body.window_seconds
                .is_some_and(|window| at_ms < seen_ms + i64::from(window) * 1_000)
        });
        self.next_id += 1;
        let id = match (seen, self.repetition) {
            (Some(_), Repetition::Error) => return Reply::Repeated,
            (Some((_, id)), Repetition::SameId) => *id,
            (Some(_), Repetition::NewId) => self.next_id,
            (None, _) => {
                for (place, user) in users() {
                    if !invalid.contains(&place) && !unlicensed.contains(&place) {
                        self.ledger.push(Delivery {
                            job: body.job.clone(),
                            content: body.content,
                            user: user.to_ascii_lowercase(),
                        });
                    }
                }
                self.seen.insert(body.clone(), (at_ms, self.next_id));
                self.next_id
            }
        };
        Reply::Sent {
            invalid,
            unlicensed,
            id,
        }
    }
}
