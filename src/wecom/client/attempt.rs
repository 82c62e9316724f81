//! The one path of every call to WeCom: pace, circuit, token, exchange, errcode,
//! repetition.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::{Instant, sleep};

use super::setback::{CONCURRENCY_WAIT, Setback, unless_lost};
use super::{Client, Inner};
use crate::wecom::call::{Call, Credential, Payload, Repeat};
use crate::wecom::error::{Error, Reason, Result};
use crate::wecom::token::Source;
use crate::wecom::trace;
use crate::wecom::transport::{Answer, Json, Opened};

/// Repetitions of one call; WeCom says at most 3 for errcode -1
/// (<https://developer.work.weixin.qq.com/document/path/90313>), attempts included here.
const MOST_REPETITIONS: usize = 2;
/// Waits between them: doubling from the first to the second, with jitter.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl Client {
    /// Makes one call, with the repetitions that do no harm, before `deadline`.
    pub async fn call<C: Call>(&self, call: &C, deadline: Instant) -> Result<C::Reply> {
        let Json(reply) = self.ask(call, deadline).await?;
        Ok(reply)
    }

    /// Like [`Client::call`], where the answer is a file. What is repeated ends where
    /// its bytes begin.
    pub(in crate::wecom) async fn open<C: Call>(
        &self,
        call: &C,
        deadline: Instant,
    ) -> Result<Opened> {
        self.ask(call, deadline).await
    }

    async fn ask<C: Call, A: Answer>(&self, call: &C, deadline: Instant) -> Result<A> {
        // Before anything is taken: without its secret a call goes nowhere.
        self.source(call)?;
        let taken = self.0.pace.take_for(call).map_err(Error::Paced)?;
        let result = self.repeat(call, deadline).await;
        if result.as_ref().is_err_and(Error::nothing_was_done) {
            self.0.pace.give_back_for(call, &taken);
        }
        result
    }

    /// The way to the token that a call takes.
    fn source<C: Call>(&self, call: &C) -> Result<&Source> {
        let Inner {
            app,
            token,
            contacts,
            ..
        } = &*self.0;
        match C::CREDENTIAL {
            Credential::App => Ok(token),
            Credential::Directory if app.contacts_details => Ok(contacts.as_ref().unwrap_or(token)),
            Credential::Directory => Ok(token),
            Credential::Contacts => contacts
                .as_ref()
                .ok_or(Error::ContactsSecretMissing { path: call.path() }),
        }
    }

    async fn repeat<C: Call, A: Answer>(&self, call: &C, deadline: Instant) -> Result<A> {
        let payload = call.payload();
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(SHORTEST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(MOST_REPETITIONS)
            .with_jitter()
            .build();
        let mut lost = None;
        let mut token_renewed = false;
        loop {
            let setback = match self.attempt(call, &payload, deadline).await {
                Ok(reply) => return Ok(reply),
                Err(setback) => setback,
            };
            if let (Setback::TokenRejected(generation, _), false) = (&setback, token_renewed) {
                token_renewed = true;
                self.source(call)?.rejected(*generation).await;
                continue;
            }
            lost = lost.or(setback.lost(call.repeat()));
            let wait = waits
                .next()
                .and_then(|wait| self.wait(call, &setback, wait, deadline));
            match wait {
                Some(wait) => sleep(wait).await,
                None => {
                    let error = self.give_up(call, setback, deadline);
                    return Err(unless_lost(call, lost, error));
                }
            }
        }
    }

    /// How long to wait before a repetition; `None` when there must be none.
    fn wait<C: Call>(
        &self,
        call: &C,
        setback: &Setback,
        wait: Duration,
        deadline: Instant,
    ) -> Option<Duration> {
        let harmless = match setback {
            Setback::Unsent(_) | Setback::Conflict(_) => true,
            // Not before gettoken is asked again: until then it has the same answer.
            Setback::NoToken(_, retry_after) => {
                return self.in_budget(wait.max(*retry_after), deadline);
            }
            Setback::Concurrency(_) => return self.in_budget(wait.max(CONCURRENCY_WAIT), deadline),
            // Whether WeCom did anything before it said -1 is not documented.
            Setback::Lost(Reason::TooLarge) => call.repeat() == Repeat::SameBytes,
            Setback::Lost(_) | Setback::Busy(_) => call.repeat() != Repeat::WhileUnsent,
            Setback::TokenRejected(..) | Setback::RateLimited(_) | Setback::Final(_) => false,
        };
        if harmless {
            self.in_budget(wait, deadline)
        } else {
            None
        }
    }

    fn in_budget(&self, wait: Duration, deadline: Instant) -> Option<Duration> {
        let in_time = Instant::now() + wait < deadline;
        (in_time && self.0.breaker.may_repeat()).then_some(wait)
    }

    async fn attempt<C: Call, A: Answer>(
        &self,
        call: &C,
        payload: &Payload,
        deadline: Instant,
    ) -> std::result::Result<A, Setback> {
        let pass = self
            .0
            .breaker
            .admit()
            .map_err(|retry_after| Setback::Final(Error::CircuitOpen { retry_after }))?;
        let source = self.source(call).map_err(Setback::Final)?;
        let token = source.get(deadline).await.map_err(|error| match error {
            Error::Unreachable {
                reason,
                retry_after,
                ..
            } => Setback::NoToken(reason, retry_after),
            error => Setback::Final(error),
        })?;
        let begun = Instant::now();
        if begun >= deadline {
            // No time left: better not sent than not known.
            let error = Error::Deadline {
                path: call.path(),
                sent: false,
            };
            return Err(Setback::Final(error));
        }
        let timeout = match payload {
            Payload::File(_) => self.0.upload_timeout,
            Payload::Query(_) | Payload::Json(_) | Payload::Raw { .. } => self.0.call_timeout,
        };
        let own_deadline = begun + timeout;
        let span = trace::begin(call.path());
        let answer = A::ask(
            &self.0.http,
            token.url(call.path()),
            payload,
            own_deadline.min(deadline),
        )
        .await;
        self.0.metrics.exchanged(call.path(), begun.elapsed());
        if let Some(span) = span {
            let answered = answer.as_ref().ok();
            let errcode = answered.map(|answer| answer.as_ref().err().map_or(0, |it| it.0.errcode));
            trace::end(span, errcode);
        }
        let result = self.read(call, &token, answer);
        // A caller in a hurry says nothing about WeCom.
        let hurried =
            matches!(result, Err(Setback::Lost(Reason::TimedOut))) && deadline < own_deadline;
        if !hurried {
            let failed = match result {
                // An answer nonetheless: a large department says nothing about WeCom.
                Err(Setback::Lost(Reason::TooLarge)) => false,
                Err(Setback::Unsent(_) | Setback::Lost(_) | Setback::Busy(_)) => true,
                _ => false,
            };
            self.0.breaker.record(pass, !failed);
        }
        result
    }
}
