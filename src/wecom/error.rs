//! How a call to WeCom can end other than well.

use std::net::IpAddr;
use std::time::Duration;

use super::errcode::{self, Class, Entry};
use super::errmsg;
use super::message::Sent;
use super::violation::Violation;

/// The room's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed. Each variant says what the caller can do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The request breaks rules; nothing was sent. Mend the fields.
    #[error("{} field(s) break a rule", .0.len())]
    Invalid(Vec<Violation>),
    /// WeCom would refuse or drop the call; nothing was sent. Wait.
    #[error("held back by a frequency limit: {}", .0.limit)]
    Paced(Held),
    /// WeCom said no; nothing was done. The errcode's class says who must act.
    #[error("{path}: WeCom refused with errcode {}: {}", .refusal.errcode, .refusal.errmsg)]
    Refused {
        /// Path of the call.
        path: &'static str,
        /// What WeCom said.
        refusal: Refusal,
    },
    /// WeCom's frequency or concurrency limit is reached. Wait.
    #[error("{path}: WeCom's frequency limit is reached (errcode {})", .refusal.errcode)]
    RateLimited {
        /// Path of the call.
        path: &'static str,
        /// What WeCom said.
        refusal: Refusal,
        /// When the call may pass.
        retry_after: Duration,
    },
    /// No recipient could get the message (81013). Mend the recipients.
    #[error("no recipient could get the message")]
    AllRecipientsInvalid {
        /// What WeCom said.
        refusal: Refusal,
        /// The lists that WeCom gave.
        recipients: Box<Sent>,
    },
    /// The call takes the contacts secret, and the app has none. An operator must act.
    #[error(
        "{path} takes the contacts secret (通讯录同步), and the app has no `contacts_secret_file`"
    )]
    ContactsSecretMissing {
        /// Path of the call.
        path: &'static str,
    },
    /// gettoken is refused. An operator must act.
    #[error("gettoken is refused with errcode {}: {} (by `{setting}`)", .refusal.errcode, .refusal.errmsg)]
    Credential {
        /// The setting that holds the secret: `secret` or `contacts_secret`.
        setting: &'static str,
        /// What WeCom said.
        refusal: Refusal,
        /// When gettoken is tried again.
        retry_after: Duration,
    },
    /// WeCom could not be reached or did not answer well; nothing was done that a
    /// repetition would do twice. Wait.
    #[error("{path}: {reason}; {}", if .reason.is_before_sending() { "nothing was sent" } else { "it may be repeated without harm" })]
    Unreachable {
        /// Path of the call.
        path: &'static str,
        /// What happened.
        reason: Reason,
        /// When a repetition makes sense.
        retry_after: Duration,
    },
    /// The answer is over the size that is read; nothing was done. Ask for less.
    #[error("{path}: {}; ask for less", Reason::TooLarge)]
    AnswerTooLarge {
        /// Path of the call.
        path: &'static str,
    },
    /// Too many failures in a row; nothing was sent. Wait.
    #[error("WeCom fails too often; no call is made for now")]
    CircuitOpen {
        /// When a call is tried again.
        retry_after: Duration,
    },
    /// The call may have been carried out: its answer was lost.
    #[error("{path}: {reason}; WeCom may have carried it out")]
    OutcomeUnknown {
        /// Path of the call.
        path: &'static str,
        /// What happened to the answer.
        reason: Reason,
        /// WeCom's answer, when there was one that says nothing for certain.
        refusal: Option<Refusal>,
    },
    /// The caller's deadline passed.
    #[error("{path}: the deadline passed; {}", if *.sent { "WeCom may have carried it out" } else { "it may be repeated without harm" })]
    Deadline {
        /// Path of the call.
        path: &'static str,
        /// Whether something may have reached WeCom that a repetition would do twice.
        sent: bool,
    },
    /// A fault of ours.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// Whether WeCom certainly did nothing.
    pub fn nothing_was_done(&self) -> bool {
        !matches!(
            self,
            Self::OutcomeUnknown { .. } | Self::Deadline { sent: true, .. }
        )
    }
}

/// What happened to an exchange, without any address in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No connection could be made.
    ConnectFailed,
    /// The host name has no address.
    NameNotFound,
    /// The connection broke before an answer came.
    ConnectionLost,
    /// No answer came in time.
    TimedOut,
    /// The answer has an HTTP status other than 200.
    HttpStatus(u16),
    /// The answer is cut short or no JSON, or lacks what it must have.
    Garbled,
    /// The answer is over 4 MiB.
    TooLarge,
    /// WeCom is busy (errcode -1).
    Busy,
    /// WeCom refused the repetition of a call whose first answer was lost.
    RefusedAfterLoss,
}

impl Reason {
    /// Whether the request certainly was not written.
    fn is_before_sending(self) -> bool {
        matches!(self, Self::ConnectFailed | Self::NameNotFound)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ConnectFailed => f.write_str("no connection to WeCom"),
            Self::NameNotFound => f.write_str("WeCom's host name was not found"),
            Self::ConnectionLost => f.write_str("the connection broke before WeCom answered"),
            Self::TimedOut => f.write_str("WeCom did not answer in time"),
            Self::HttpStatus(status) => write!(f, "WeCom answered with HTTP status {status}"),
            Self::Garbled => f.write_str("WeCom's answer cannot be read"),
            Self::TooLarge => f.write_str("WeCom's answer is over 4 MiB"),
            Self::Busy => f.write_str("WeCom is busy (errcode -1)"),
            Self::RefusedAfterLoss => {
                f.write_str("the first answer was lost and the repetition was refused")
            }
        }
    }
}

/// A limit that holds a call back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whom waiting concerns.
    pub scope: Scope,
    /// Who or what is limited: `user:zhangsan`, `app:youxiao`.
    pub subject: String,
    /// The limit, for a human.
    pub limit: String,
    /// When the call may pass.
    pub retry_after: Duration,
}

/// Whom a limit holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Calls that name one member, chat or ticket; others may go on.
    One,
    /// Every call of the path, until the day ends.
    Day,
    /// Every call of the path, while WeCom blocks it or the corp calls too often.
    Path,
}

/// WeCom's word against a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// WeCom's `errcode`.
    pub errcode: i64,
    /// WeCom's `errmsg` without hint, address and link.
    pub errmsg: String,
    /// WeCom's id of this answer, which its support asks for.
    pub hint_id: Option<String>,
    /// Our address as WeCom saw it; only for errcode 60020, where the operator
    /// must add it to the trusted addresses.
    pub refused_ip: Option<IpAddr>,
}

/// Errcode of a caller address that is not trusted.
const ADDRESS_NOT_TRUSTED: i64 = 60020;

impl Refusal {
    /// From the two fields of WeCom's answer.
    pub(super) fn new(errcode: i64, errmsg: &str) -> Self {
        let errmsg::Cleaned {
            text,
            hint_id,
            refused_ip,
        } = errmsg::clean(errmsg);
        Self {
            errcode,
            errmsg: text,
            hint_id,
            refused_ip: refused_ip.filter(|_| errcode == ADDRESS_NOT_TRUSTED),
        }
    }

    /// The errcode's row in our table; `None` for a code that it lacks.
    pub fn entry(&self) -> Option<&'static Entry> {
        errcode::lookup(self.errcode)
    }

    /// Who must act.
    pub fn class(&self) -> Option<Class> {
        self.entry().map(|entry| entry.class)
    }
}
