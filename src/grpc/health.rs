//! `grpc.health.v1`, with an own implementation because `Watch` on an unknown name must answer
//! SERVICE_UNKNOWN and stay open (tonic-health ends it with NOT_FOUND), and because a drain must
//! end every watch.
//!
//! [`State`] is what the process says of itself, [`service`] offers it on the main port, and
//! [`spawn`] on a port of its own, from a thread and runtime of its own: there it can still say
//! that the main runtime is stuck. WeCom's state is never part of it; a shared dependency in
//! readiness would take every replica out at once.

mod port;
mod state;

use std::pin::Pin;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer as Service},
};

use state::Snapshot;

pub use port::{HealthServer, Settings, spawn};
pub use state::State;

/// The longest service name looked up, in bytes; anything longer cannot be registered.
const MAX_REQUEST_BYTES: usize = 4096;

/// The health service over `state`, for the main port.
#[must_use]
pub fn service(state: State) -> Service<Reporter> {
    Service::new(Reporter { state }).max_decoding_message_size(MAX_REQUEST_BYTES)
}

/// Answers health requests from a [`State`].
#[derive(Debug)]
pub struct Reporter {
    state: State,
}

#[tonic::async_trait]
impl Health for Reporter {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let serving = self.state.is_serving(&request.get_ref().service);
        let serving = serving.ok_or_else(|| Status::not_found("no service of this name"))?;
        Ok(Response::new(answer(Some(serving))))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let watcher = Watcher {
            snapshots: self.state.subscribe(),
            name: request.into_inner().service,
            last: None,
        };
        let stream = stream::unfold(Some(watcher), |watcher| async { watcher?.next().await });
        Ok(Response::new(Box::pin(stream)))
    }
}

fn answer(serving: Option<bool>) -> HealthCheckResponse {
    let status = match serving {
        Some(true) => ServingStatus::Serving,
        Some(false) => ServingStatus::NotServing,
        None => ServingStatus::ServiceUnknown,
    };
    HealthCheckResponse {
        status: status.into(),
    }
}

/// One open `Watch`.
struct Watcher {
    snapshots: watch::Receiver<Snapshot>,
    name: String,
    /// The last answer given. The inner `Option` is "unknown name".
    last: Option<Option<bool>>,
}

type Event = (Result<HealthCheckResponse, Status>, Option<Watcher>);

impl Watcher {
    /// The next answer that differs from the last one; at shutdown NOT_SERVING, then the end.
    async fn next(mut self) -> Option<Event> {
        loop {
            let (serving, draining) = {
                let snapshot = self.snapshots.borrow_and_update();
                (snapshot.is_serving(&self.name), snapshot.draining())
            };
            if self.last != Some(serving) {
                self.last = Some(serving);
                return Some((Ok(answer(serving)), Some(self)));
            }
            if draining || self.snapshots.changed().await.is_err() {
                return Some((
                    Err(Status::unavailable("the gateway is shutting down")),
                    None,
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;
    use tonic::Code;

    use super::*;

    fn reporter(state: &State) -> Reporter {
        Reporter {
            state: state.clone(),
        }
    }

    fn named(name: &str) -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest {
            service: name.to_owned(),
        })
    }

    async fn watch(
        state: &State,
        name: &str,
    ) -> Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>> {
        reporter(state)
            .watch(named(name))
            .await
            .expect("watch never fails")
            .into_inner()
    }

    #[tokio::test]
    async fn check_of_an_unknown_name_is_not_found() {
        let state = State::new(["wecomgw.v1.MessageService"]);
        let refused = reporter(&state).check(named("nobody")).await;
        assert_eq!(refused.expect_err("unknown").code(), Code::NotFound);
    }

    #[tokio::test]
    async fn watch_of_an_unknown_name_stays_open_until_it_is_known() {
        let state = State::new([]);
        state.set("readiness", true);
        let mut events = watch(&state, "late").await;
        let first = events.next().await.expect("open").expect("ok");
        assert_eq!(first.status(), ServingStatus::ServiceUnknown);
        state.set("late", true);
        let second = events.next().await.expect("still open").expect("ok");
        assert_eq!(second.status(), ServingStatus::Serving);
    }

    #[tokio::test]
    async fn watch_says_not_serving_and_ends_at_shutdown() {
        let state = State::new([]);
        state.set("readiness", true);
        let mut events = watch(&state, "").await;
        let first = events.next().await.expect("open").expect("ok");
        assert_eq!(first.status(), ServingStatus::Serving);
        state.set_draining();
        let second = events.next().await.expect("open").expect("ok");
        assert_eq!(second.status(), ServingStatus::NotServing);
        let end = events
            .next()
            .await
            .expect("a last word")
            .expect_err("the end");
        assert_eq!(end.code(), Code::Unavailable);
        assert!(events.next().await.is_none());
    }
}
