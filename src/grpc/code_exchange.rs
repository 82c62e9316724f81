//! From the code of a login to a session, once: whoever repeats a login in the same way
//! gets the first answer, however often the caller, the network or this process failed
//! in between, and nobody else gets anything.
//!
//! The code is written down before WeCom is asked for it. What certainly did not reach
//! WeCom is given back; everything else, refusals too, is the answer to that code. When
//! the member's details cannot be read, who it is stays known, and a repetition goes on
//! from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use opentelemetry::context::FutureExt as _;
use prost::Message as _;
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use tonic::{Code, Status};

use super::{convert, pb, status};
use crate::session::{Brought, Logins, Sessions, Turn};
use crate::wecom::auth::{GetUserInfo, Visitor};
use crate::wecom::errcode::Class;
use crate::wecom::{self, Call, Client, Reason, user};

/// Errcode of a member out of the app's scope; it stands for "out of the visible range"
/// as 60111 and 60011 do.
const OUT_OF_SCOPE: i64 = 50002;
const NO_PRIVILEGE: i64 = 60011;

/// How long a login may take. It is not the caller's deadline: a caller in a hurry would
/// spend the code for nothing, and may repeat.
const LONGEST: Duration = Duration::from_secs(15);

type Answer = Result<pb::LoginResponse, Status>;

/// The logins under way.
#[derive(Clone)]
pub(super) struct CodeExchange(Arc<Inner>);

struct Inner {
    logins: Logins,
    sessions: Sessions,
    /// By the fingerprint of what was brought.
    running: Mutex<HashMap<[u8; 32], Running>>,
    tasks: TaskTracker,
}

/// The answer that all who ask will get.
type Running = Shared<BoxFuture<'static, Answer>>;

impl CodeExchange {
    pub(super) fn new(logins: Logins, sessions: Sessions, tasks: TaskTracker) -> Self {
        Self(Arc::new(Inner {
            logins,
            sessions,
            running: Mutex::default(),
            tasks,
        }))
    }

    /// Logs in whoever the code is of.
    pub(super) async fn run(
        &self,
        caller: &str,
        client: Client,
        get: GetUserInfo,
        state: String,
        deadline: Instant,
    ) -> Answer {
        let brought = Brought {
            app: client.name().to_owned(),
            caller: caller.to_owned(),
            code: get.code.clone(),
            state,
        };
        let answer = self.join(brought, client, get);
        let late = wecom::Error::Deadline {
            path: GetUserInfo::PATH,
            sent: true,
        };
        timeout_at(deadline, answer)
            .await
            .unwrap_or_else(|_| Err(status::wecom(&late)))
    }

    /// Joins an equal login that is under way, or begins one.
    fn join(&self, brought: Brought, client: Client, get: GetUserInfo) -> Running {
        let fingerprint = brought.fingerprint();
        let mut running = self
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = running.get(&fingerprint) {
            return answer.clone();
        }
        let this = self.clone();
        let drive = async move {
            // However it ends, by a panic too, the next equal login begins anew.
            let _guard = Guard(&this.0.running, fingerprint);
            let deadline = Instant::now() + LONGEST;
            this.drive(&brought, &client, &get, deadline).await
        };
        // In the trace of the call that began it.
        let task = self.0.tasks.spawn(drive.with_current_context());
        let answer = async move {
            task.await
                .unwrap_or_else(|_| Err(status::internal("the login was aborted")))
        };
        let answer = answer.boxed().shared();
        running.insert(fingerprint, answer.clone());
        answer
    }

    async fn drive(
        &self,
        brought: &Brought,
        client: &Client,
        get: &GetUserInfo,
        deadline: Instant,
    ) -> Answer {
        let turn = self.0.logins.bring(brought).await;
        match turn.map_err(|error| status::login(&error))? {
            Turn::New => match client.call(get, deadline).await {
                Ok(visitor) => self.identified(brought, client, visitor, deadline).await,
                Err(error) => Err(self.refused(brought, &error).await),
            },
            Turn::Kept(bytes) => match Kept::decode(&bytes) {
                Some(Kept::Answer(answer)) => *answer,
                Some(Kept::Identified(known)) => {
                    self.admit(brought, client, *known, deadline).await
                }
                None => Err(status::internal("a kept login cannot be read")),
            },
            Turn::Lost => Err(status::wecom(&wecom::Error::OutcomeUnknown {
                path: GetUserInfo::PATH,
                reason: Reason::ConnectionLost,
                refusal: None,
            })),
        }
    }

    /// WeCom did not say whose code it is.
    async fn refused(&self, brought: &Brought, error: &wecom::Error) -> Status {
        let answer = status::wecom(error);
        let reached_wecom = matches!(
            error,
            wecom::Error::Refused { .. }
                | wecom::Error::OutcomeUnknown { .. }
                | wecom::Error::Deadline { sent: true, .. }
        );
        if reached_wecom {
            self.keep(brought, &Kept::Answer(Box::new(Err(answer.clone()))))
                .await;
        } else if let Err(error) = self.0.logins.release(brought).await {
            tracing::error!("cannot give the code of a login back: {error}");
        }
        answer
    }

    /// WeCom said whose code it is.
    async fn identified(
        &self,
        brought: &Brought,
        client: &Client,
        visitor: Visitor,
        deadline: Instant,
    ) -> Answer {
        match visitor {
            Visitor::Member {
                user_id,
                user_ticket,
            } => {
                let ticket = user_ticket.as_ref().map(ExposeSecret::expose_secret);
                let known = pb::LoginResponse {
                    user: Some(by_id(&user_id)),
                    user_ticket: ticket.unwrap_or_default().to_owned(),
                    ..pb::LoginResponse::default()
                };
                self.admit(brought, client, known, deadline).await
            }
            Visitor::Stranger { external_user_id } => {
                let answer = status::not_a_member(external_user_id);
                self.keep(brought, &Kept::Answer(Box::new(Err(answer.clone()))))
                    .await;
                Err(answer)
            }
        }
    }

    /// Begins the session of a member of whom `known` has the user id and the ticket.
    async fn admit(
        &self,
        brought: &Brought,
        client: &Client,
        known: pb::LoginResponse,
        deadline: Instant,
    ) -> Answer {
        let user_id = known.user.as_ref().map_or("", |user| &user.user_id);
        let user = match member(client, user_id, deadline).await {
            Ok(user) => user,
            Err(error) => {
                self.keep(brought, &Kept::Identified(Box::new(known))).await;
                return Err(status::wecom(&error));
            }
        };
        let issued = self.0.sessions.issue(convert::auth::person(client, &user));
        let answer = convert::auth::logged_in(issued, user, known.user_ticket);
        self.keep(brought, &Kept::Answer(Box::new(Ok(answer.clone()))))
            .await;
        Ok(answer)
    }

    async fn keep(&self, brought: &Brought, kept: &Kept) {
        if let Err(error) = self.0.logins.keep(brought, &kept.encode()).await {
            // The caller hears how it ended; only a repetition cannot hear it again.
            tracing::error!("cannot keep the answer to a login: {error}");
        }
    }
}

/// Takes a login off the list of those under way.
struct Guard<'a>(&'a Mutex<HashMap<[u8; 32], Running>>, [u8; 32]);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.1);
    }
}

/// The member, as far as the app may see: out of its visible range the id alone.
async fn member(client: &Client, user_id: &str, deadline: Instant) -> wecom::Result<pb::User> {
    // `corp id/user id`: a member of a linked corp, whom user/get does not know.
    if user_id.contains('/') {
        return Ok(by_id(user_id));
    }
    let get = user::Get {
        user_id: user_id.to_owned(),
    };
    match client.call(&get, deadline).await {
        Ok(member) => Ok(convert::user::user(member)),
        Err(wecom::Error::Refused { refusal, .. })
            if refusal.class() == Some(Class::NotFound)
                || matches!(refusal.errcode, OUT_OF_SCOPE | NO_PRIVILEGE) =>
        {
            Ok(by_id(user_id))
        }
        Err(error) => Err(error),
    }
}

fn by_id(user_id: &str) -> pb::User {
    pb::User {
        user_id: user_id.to_owned(),
        ..pb::User::default()
    }
}

/// What is kept of a code.
enum Kept {
    /// How the login ended.
    Answer(Box<Answer>),
    /// Whose it is; the rest is still to be read.
    Identified(Box<pb::LoginResponse>),
}

const KEPT_OK: u8 = 0;
const KEPT_ERROR: u8 = 1;
const KEPT_IDENTIFIED: u8 = 2;

impl Kept {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Answer(answer) => match &**answer {
                Ok(response) => tagged(KEPT_OK, &response.encode_to_vec()),
                // The details are a google.rpc.Status, with code and message.
                Err(status) => tagged(KEPT_ERROR, status.details()),
            },
            Self::Identified(known) => tagged(KEPT_IDENTIFIED, &known.encode_to_vec()),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, bytes) = bytes.split_first()?;
        match *tag {
            KEPT_OK => {
                let response = pb::LoginResponse::decode(bytes).ok()?;
                Some(Self::Answer(Box::new(Ok(response))))
            }
            KEPT_ERROR => {
                let status = tonic_types::Status::decode(bytes).ok()?;
                let code = Code::from(status.code);
                let details = bytes.to_vec().into();
                let status = Status::with_details(code, status.message, details);
                Some(Self::Answer(Box::new(Err(status))))
            }
            KEPT_IDENTIFIED => pb::LoginResponse::decode(bytes)
                .ok()
                .map(|known| Self::Identified(Box::new(known))),
            _ => None,
        }
    }
}

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::LoginError;

    #[test]
    fn kept_answers_are_read_as_they_were() {
        let error = status::login(&LoginError::CodeUsed);
        let kept = Kept::Answer(Box::new(Err(error.clone()))).encode();
        let Some(Kept::Answer(again)) = Kept::decode(&kept) else {
            panic!("an answer")
        };
        let again = again.expect_err("an error");
        assert_eq!(again.code(), error.code());
        assert_eq!(again.message(), error.message());
        assert_eq!(again.details(), error.details());

        let response = pb::LoginResponse {
            session_token: "token".into(),
            user: Some(by_id("zhangsan")),
            ..pb::LoginResponse::default()
        };
        let kept = Kept::Answer(Box::new(Ok(response.clone()))).encode();
        let Some(Kept::Answer(again)) = Kept::decode(&kept) else {
            panic!("an answer")
        };
        assert_eq!(again.expect("a response"), response);
        assert!(Kept::decode(&[]).is_none() && Kept::decode(&[9]).is_none());
    }
}
