//! Sends with a request id: whoever repeats one gets the first answer, however
//! often the caller, the network or this process failed in between.
//!
//! The message is rendered once with WeCom's duplicate check on, and committed
//! to the store before it goes out. A repetition after an answer was lost sends
//! the stored bytes again while the check covers them; after that the outcome
//! stays unknown. What certainly was not sent is forgotten, so that it can be
//! sent once the cause is mended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::{BoxFuture, FutureExt, Shared};
use opentelemetry::context::FutureExt as _;
use prost::Message as _;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;
use tonic::{Code, Status};

use super::{convert, pb, status};
use crate::store::{self, Attempt, Begin, Store};
use crate::wecom::{self, Client, Reason, Rendered, Violation, message};

/// Longest request id.
const LONGEST_ID_BYTES: usize = 128;
/// The interval of the duplicate check lies between WeCom's default and its
/// maximum, by the request id, and is none that an equal message has now: two sends
/// that are meant to be two then differ in their bytes, and WeCom does not take the
/// second for a repetition.
const SHORTEST_INTERVAL_SECONDS: u32 = 1800;
const LONGEST_INTERVAL_SECONDS: u32 = 14_100;
/// A repetition is not begun so late that it could arrive after the window: the
/// last ten minutes, or a third of a shorter window.
const WINDOW_MARGIN: Duration = Duration::from_secs(600);
/// A repetition may itself take 30 seconds; twice that is kept back of any window.
const LEAST_MARGIN: Duration = Duration::from_secs(60);
/// How long the answer of another replica is waited for: a call with all its repetitions takes 30
/// seconds at most.
const OTHER_REPLICA_WAIT: Duration = Duration::from_secs(30);
/// How often it is looked for.
const OTHER_REPLICA_POLL: Duration = Duration::from_millis(200);

type Answer = Result<pb::SendMessageResponse, Status>;

/// The sends with a request id.
#[derive(Clone)]
pub struct RequestIds(Arc<Inner>);

struct Inner {
    store: Store,
    /// Sends under way in this process, with the hash of their request.
    running: Mutex<HashMap<Key, Running>>,
    tasks: TaskTracker,
}

/// The hash of the request, and the answer that all who ask will get.
type Running = ([u8; 32], Shared<BoxFuture<'static, Answer>>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    caller: String,
    request_id: String,
}

/// A send under way; out of the map when it ends, however it ends.
struct Entry {
    ids: RequestIds,
    key: Key,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ids.running().remove(&self.key);
    }
}

/// Whether a request id may be used.
pub(super) fn check(request_id: &str) -> Option<Violation> {
    let fits = request_id.len() <= LONGEST_ID_BYTES
        && request_id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    (!fits).then(|| {
        let length = request_id.len();
        let rule = format!(
            "must be at most {LONGEST_ID_BYTES} bytes of printable ASCII, it is {length} bytes"
        );
        Violation::new("request_id", rule)
    })
}

/// What two requests of one id must share.
pub(super) fn fingerprint(request: &pb::SendMessageRequest) -> [u8; 32] {
    Sha256::digest(request.encode_to_vec()).into()
}

impl RequestIds {
    /// Kept in `store`; sends run in `tasks`, so that they end well when the
    /// caller leaves or the gateway shuts down.
    pub fn new(store: Store, tasks: TaskTracker) -> Self {
        Self(Arc::new(Inner {
            store,
            running: Mutex::default(),
            tasks,
        }))
    }

    /// Sends once for `request_id`.
    pub(super) async fn send(
        &self,
        caller: &str,
        request_id: String,
        fingerprint: [u8; 32],
        client: Client,
        send: message::Send,
        deadline: Instant,
    ) -> Answer {
        let key = Key {
            caller: caller.to_owned(),
            request_id,
        };
        let late = wecom::Error::Deadline {
            path: Rendered::PATH,
            sent: true,
        };
        let mut own = Some((client, send));
        loop {
            let answer = self.join(&key, fingerprint, &mut own, deadline)?;
            let answer = timeout_at(deadline, answer)
                .await
                .unwrap_or_else(|_| Err(status::wecom(&late)));
            // Another caller's deadline has ended a send that this one still has time for.
            let joined = own.is_some();
            match answer {
                Err(ended)
                    if joined
                        && ended.code() == Code::DeadlineExceeded
                        && Instant::now() < deadline => {}
                answer => return answer,
            }
        }
    }

    /// The answer to the send that is under way, or to `own`, which begins then.
    fn join(
        &self,
        key: &Key,
        fingerprint: [u8; 32],
        own: &mut Option<(Client, message::Send)>,
        deadline: Instant,
    ) -> Result<Shared<BoxFuture<'static, Answer>>, Status> {
        let mut running = self.running();
        match running.get(key) {
            Some((known, _)) if *known != fingerprint => Err(status::request_id_reused()),
            Some((_, answer)) => Ok(answer.clone()),
            None => {
                let (client, send) = own
                    .take()
                    .ok_or_else(|| status::internal("a send began twice"))?;
                let (ids, its_key) = (self.clone(), key.clone());
                let drive = async move {
                    // Made here: a task that a dying runtime drops unstarted must not
                    // reach for the lock that is held while it is spawned.
                    let entry = Entry { ids, key: its_key };
                    entry
                        .ids
                        .drive(&entry.key, fingerprint, client, send, deadline)
                        .await
                };
                // In the trace of the call that began it.
                let task = self.0.tasks.spawn(drive.with_current_context());
                let answer = async move {
                    task.await
                        .unwrap_or_else(|_| Err(status::internal("the send was aborted")))
                };
                let answer = answer.boxed().shared();
                running.insert(key.clone(), (fingerprint, answer.clone()));
                Ok(answer)
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Key, Running>> {
        self.0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn drive(
        &self,
        key: &Key,
        fingerprint: [u8; 32],
        client: Client,
        mut send: message::Send,
        deadline: Instant,
    ) -> Answer {
        let Key { caller, request_id } = key;
        let store = &self.0.store;
        let begun = store.begin(caller, request_id, fingerprint, now_ms()).await;
        match begun.map_err(|error| status::store(&error))? {
            Begin::Mismatch => Err(status::request_id_reused()),
            Begin::Done(answer) => pb::SendMessageResponse::decode(answer.as_slice())
                .map_err(|_| status::internal("a stored answer cannot be read")),
            Begin::Resume(attempt) => self.resume(key, attempt, client, send, deadline).await,
            Begin::New | Begin::Unsent => {
                let check = send.duplicate_check.get_or_insert(message::DuplicateCheck {
                    enabled: true,
                    interval_seconds: None,
                });
                let wanted = (check.enabled && check.interval_seconds.is_none())
                    .then(|| interval_seconds(&fingerprint, request_id));
                // A place for the one that is chosen when the bytes are known.
                if wanted.is_some() {
                    check.interval_seconds = Some(SHORTEST_INTERVAL_SECONDS);
                }
                self.first(key, fingerprint, client, send, wanted, deadline)
                    .await
            }
        }
    }

    /// Sends what never went out. Where WeCom has lost media that were uploaded
    /// earlier for the same bytes, it did nothing: the id begins anew, with new media.
    async fn first(
        &self,
        key: &Key,
        fingerprint: [u8; 32],
        client: Client,
        mut send: message::Send,
        wanted: Option<u32>,
        deadline: Instant,
    ) -> Answer {
        let Key { caller, request_id } = key;
        let store = &self.0.store;
        let mut spare = send.spare();
        loop {
            let mut rendered = match client.prepare(send, deadline).await {
                Ok(rendered) => rendered,
                Err(error) => return Err(self.forget(key, &error, false).await),
            };
            if let Some(wanted) = wanted {
                let message: [u8; 32] = Sha256::digest(rendered.body()).into();
                let windows = SHORTEST_INTERVAL_SECONDS..LONGEST_INTERVAL_SECONDS;
                let interval = store
                    .take_window(caller, request_id, message, wanted, windows, now_ms())
                    .await;
                match interval {
                    Ok(interval) => rendered.set_interval(interval),
                    Err(store::Error::OutOfStep(_)) => {
                        return self.await_other(key, fingerprint).await;
                    }
                    Err(error) => return Err(status::store(&error)),
                }
            }
            let window = rendered.duplicate_window_seconds().unwrap_or(0);
            let intended = store
                .intend(caller, request_id, rendered.body(), window, now_ms())
                .await;
            match intended {
                Ok(()) => {}
                Err(store::Error::OutOfStep(_)) => return self.await_other(key, fingerprint).await,
                Err(error) => return Err(status::store(&error)),
            }
            let error = match self.deliver(key, &client, &rendered, deadline).await {
                Err(error) if error.nothing_was_done() => error,
                answer => return answer.map_err(|error| status::wecom(&error)),
            };
            let refused = self.forget(key, &error, true).await;
            let lost = client.media_was_lost(rendered.uploads(), &error).await;
            let Some(again) = spare.take().filter(|_| lost) else {
                return Err(refused);
            };
            let begun = store.begin(caller, request_id, fingerprint, now_ms()).await;
            match begun.map_err(|error| status::store(&error))? {
                Begin::New => send = again,
                // Someone else took the id meanwhile.
                _ => return Err(refused),
            }
        }
    }

    /// Another replica began the id at the same time and sends it: its answer is everyone's. Ends
    /// at the latest with that replica's deadline for a call, since it may have died.
    async fn await_other(&self, key: &Key, fingerprint: [u8; 32]) -> Answer {
        let Key { caller, request_id } = key;
        let until = Instant::now() + OTHER_REPLICA_WAIT;
        while Instant::now() < until {
            let begun = self
                .0
                .store
                .begin(caller, request_id, fingerprint, now_ms());
            match begun.await.map_err(|error| status::store(&error))? {
                Begin::Mismatch => return Err(status::request_id_reused()),
                Begin::Done(answer) => {
                    return pb::SendMessageResponse::decode(answer.as_slice())
                        .map_err(|_| status::internal("a stored answer cannot be read"));
                }
                // It gave the id back: nothing was sent, and the caller may come again.
                Begin::New | Begin::Unsent => {
                    let gone = store::Error::Conflict("the other replica gave up".into());
                    return Err(status::store(&gone));
                }
                Begin::Resume(_) => sleep(OTHER_REPLICA_POLL).await,
            }
        }
        Err(status::wecom(&wecom::Error::OutcomeUnknown {
            path: Rendered::PATH,
            reason: Reason::ConnectionLost,
            refusal: None,
        }))
    }

    /// An earlier attempt went out and its answer was lost.
    async fn resume(
        &self,
        key: &Key,
        attempt: Attempt,
        client: Client,
        send: message::Send,
        deadline: Instant,
    ) -> Answer {
        let unknown = |reason| {
            status::wecom(&wecom::Error::OutcomeUnknown {
                path: Rendered::PATH,
                reason,
                refusal: None,
            })
        };
        if !is_covered(&attempt, now_ms()) {
            return Err(unknown(Reason::ConnectionLost));
        }
        let rendered = Rendered::again(attempt.body.into(), send.recipients)
            .map_err(|error| status::wecom(&error))?;
        match self.deliver(key, &client, &rendered, deadline).await {
            // This attempt did nothing, but the earlier one may have.
            Err(error) if error.nothing_was_done() => Err(match error {
                wecom::Error::Refused { refusal, .. } => {
                    status::wecom(&wecom::Error::OutcomeUnknown {
                        path: Rendered::PATH,
                        reason: Reason::RefusedAfterLoss,
                        refusal: Some(refusal),
                    })
                }
                _ => unknown(Reason::ConnectionLost),
            }),
            answer => answer.map_err(|error| status::wecom(&error)),
        }
    }

    async fn deliver(
        &self,
        key: &Key,
        client: &Client,
        rendered: &Rendered,
        deadline: Instant,
    ) -> wecom::Result<pb::SendMessageResponse> {
        let mut sent = client.call(rendered, deadline).await?;
        rendered.spell(&mut sent);
        let answer = convert::message::sent(sent);
        let Key { caller, request_id } = key;
        if let Err(error) = self
            .0
            .store
            .finish(caller, request_id, &answer.encode_to_vec())
            .await
        {
            // The message is out and the caller hears so; a repetition sends the
            // same bytes, which WeCom recognises.
            tracing::error!("cannot store the answer of a send: {error}");
        }
        Ok(answer)
    }

    async fn forget(&self, key: &Key, error: &wecom::Error, intended: bool) -> Status {
        let Key { caller, request_id } = key;
        if let Err(error) = self.0.store.release(caller, request_id, intended).await {
            tracing::error!("cannot release a request id: {error}");
        }
        status::wecom(error)
    }
}

fn interval_seconds(fingerprint: &[u8; 32], request_id: &str) -> u32 {
    let mut hasher = Sha256::new();
    hasher.update(fingerprint);
    hasher.update(request_id);
    let digest = hasher.finalize();
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    SHORTEST_INTERVAL_SECONDS + number % (LONGEST_INTERVAL_SECONDS - SHORTEST_INTERVAL_SECONDS)
}

/// Whether WeCom still recognises a repetition begun now.
fn is_covered(attempt: &Attempt, now_ms: i64) -> bool {
    let window = Duration::from_secs(attempt.window_seconds.into());
    let margin = WINDOW_MARGIN.min(window / 3).max(LEAST_MARGIN);
    attempt.window_is_open(now_ms, margin)
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_stay_inside_the_window() {
        let covered = |window_seconds, seconds: i64| {
            let first_attempt_at_ms = 1_000_000;
            let now_ms = first_attempt_at_ms + seconds * 1000;
            let latest_ms = now_ms;
            let attempt = Attempt {
                body: Vec::new(),
                first_attempt_at_ms,
                window_seconds,
                latest_ms,
            };
            is_covered(&attempt, now_ms)
        };
        assert!(covered(1800, 0) && covered(1800, 1199));
        assert!(!covered(1800, 1200));
        assert!(covered(150, 89) && !covered(150, 90));
        assert!(!covered(60, 0), "shorter than a call may take");
        assert!(!covered(0, 0), "without the check nothing is covered");
    }

    #[test]
    fn two_ids_give_two_intervals() {
        let intervals: std::collections::HashSet<u32> = (0..100)
            .map(|id| interval_seconds(&[7; 32], &format!("id-{id}")))
            .collect();
        assert!(intervals.len() > 95);
        assert!(
            intervals
                .iter()
                .all(|interval| (1800..14_100).contains(interval))
        );
    }

    #[test]
    fn ids_are_printable_and_short() {
        assert_eq!(check("order 4711"), None);
        assert_eq!(check(&"x".repeat(128)), None);
        assert!(check(&"x".repeat(129)).is_some());
        assert!(check("é").is_some() && check("a\n").is_some());
    }
}
