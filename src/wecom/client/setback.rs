//! What an attempt can run into: read from WeCom's answer, and told to the caller once
//! nothing is tried again.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Client, UNREACHABLE_WAIT};
use crate::wecom::call::{Call, Repeat};
use crate::wecom::errcode::Class;
use crate::wecom::error::{Error, Reason, Refusal};
use crate::wecom::token::{self, Token};
use crate::wecom::transport::Fault;

/// Least wait after errcode 45033, which means too many calls at once.
pub(super) const CONCURRENCY_WAIT: Duration = Duration::from_secs(1);

/// Why an attempt brought no reply.
pub(super) enum Setback {
    Unsent(Reason),
    /// gettoken could not be reached; with when it is asked again.
    NoToken(Reason, Duration),
    Lost(Reason),
    Busy(Refusal),
    Concurrency(Refusal),
    RateLimited(Refusal),
    Conflict(Refusal),
    /// With the generation of the token that was refused.
    TokenRejected(u64, Refusal),
    Final(Error),
}

impl Setback {
    /// Whether the attempt may have had an effect that a repetition could double.
    pub(super) fn lost(&self, repeat: Repeat) -> Option<Reason> {
        match self {
            Self::Lost(reason) if repeat != Repeat::Freely => Some(*reason),
            Self::Busy(_) if repeat != Repeat::Freely => Some(Reason::Busy),
            _ => None,
        }
    }
}

/// An attempt whose answer was lost may have had its effect, whatever became of
/// its repetitions; except where their refusal tells.
pub(super) fn unless_lost<C: Call>(call: &C, lost: Option<Reason>, error: Error) -> Error {
    let Some(reason) = lost else { return error };
    match error {
        Error::OutcomeUnknown { .. }
        | Error::Deadline { sent: true, .. }
        | Error::AllRecipientsInvalid { .. } => error,
        Error::Refused { path, refusal } => match call.may_follow_success(&refusal) {
            false => Error::Refused { path, refusal },
            true => Error::OutcomeUnknown {
                path,
                reason: Reason::RefusedAfterLoss,
                refusal: Some(refusal),
            },
        },
        Error::Deadline { path, .. } => Error::Deadline { path, sent: true },
        _ => Error::OutcomeUnknown {
            path: call.path(),
            reason,
            refusal: None,
        },
    }
}

impl Client {
    pub(super) fn read<C: Call, A>(
        &self,
        call: &C,
        token: &Token,
        answer: std::result::Result<std::result::Result<A, (Refusal, Bytes)>, Fault>,
    ) -> std::result::Result<A, Setback> {
        let (refusal, body) = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(refused)) => refused,
            Err(Fault::Unsent(reason)) => return Err(Setback::Unsent(reason)),
            Err(Fault::Lost(reason)) => return Err(Setback::Lost(reason)),
        };
        self.0
            .metrics
            .refused(&self.0.app.name, call.path(), refusal.errcode);
        Err(match refusal.class() {
            Some(Class::TokenRejected) => Setback::TokenRejected(token.generation, refusal),
            Some(Class::Busy) => Setback::Busy(refusal),
            Some(Class::RateLimited) => Setback::RateLimited(refusal),
            Some(Class::ConcurrencyLimited) => Setback::Concurrency(refusal),
            Some(Class::Conflict) => Setback::Conflict(refusal),
            _ => Setback::Final(call.refused(refusal, &body)),
        })
    }

    /// The error of the last attempt.
    pub(super) fn give_up<C: Call>(&self, call: &C, setback: Setback, deadline: Instant) -> Error {
        let path = call.path();
        let retry_after = UNREACHABLE_WAIT;
        let effect = call.repeat() != Repeat::Freely;
        let error = match setback {
            Setback::Lost(Reason::TimedOut) if Instant::now() >= deadline => {
                Error::Deadline { path, sent: effect }
            }
            Setback::Lost(Reason::TooLarge) if !effect => Error::AnswerTooLarge { path },
            Setback::Lost(reason) if effect => Error::OutcomeUnknown {
                path,
                reason,
                refusal: None,
            },
            Setback::Busy(refusal) if effect => Error::OutcomeUnknown {
                path,
                reason: Reason::Busy,
                refusal: Some(refusal),
            },
            Setback::Unsent(reason) | Setback::Lost(reason) => Error::Unreachable {
                path,
                reason,
                retry_after,
            },
            Setback::Busy(_) => Error::Unreachable {
                path,
                reason: Reason::Busy,
                retry_after,
            },
            Setback::Concurrency(refusal) => Error::RateLimited {
                path,
                refusal,
                retry_after: CONCURRENCY_WAIT,
            },
            Setback::RateLimited(refusal) => {
                let retry_after = self.0.pace.block(path);
                tracing::warn!(
                    app = %self.0.app.name, api = path, seconds = retry_after.as_secs(),
                    "WeCom's frequency limit of {path} is reached; holding calls of app {} back", self.0.app.name,
                );
                Error::RateLimited {
                    path,
                    refusal,
                    retry_after,
                }
            }
            Setback::TokenRejected(_, refusal) | Setback::Conflict(refusal) => {
                Error::Refused { path, refusal }
            }
            Setback::NoToken(reason, retry_after) => Error::Unreachable {
                path: token::PATH,
                reason,
                retry_after,
            },
            Setback::Final(error) => error,
        };
        if let Error::Unreachable { reason, .. } | Error::OutcomeUnknown { reason, .. } = &error {
            tracing::warn!(app = %self.0.app.name, api = path, "{path} failed for app {}: {reason}", self.0.app.name);
        }
        error
    }
}
