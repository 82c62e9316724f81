//! The audit record: one for each call that changes something, allowed or refused, on the
//! tracing target `audit`. It says who, what, with which result, from where; never a body
//! nor a credential.

use std::future::Future as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::Duration;

use opentelemetry::Context;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Code, Status};

use super::limits::Permit;
use super::method::Method;
use super::{Call, trace};
use crate::grpc::observe::code_name;
use crate::grpc::server::Peer;
use crate::grpc::status;
use crate::wecom::Client;

/// Target of the records.
const TARGET: &str = "audit";

/// A call until its result is known. Dropped without one, the call was abandoned by its
/// client, or its handler panicked.
pub(super) struct Entry {
    record: Option<Record>,
    /// Its place among the calls under way.
    pub(super) permit: Option<Permit>,
    began: Instant,
    /// When it ends, whatever its handler does.
    deadline: Option<Instant>,
    /// Waits for that; made only when the handler waits.
    late: Option<Pin<Box<Sleep>>>,
    mutates: bool,
    /// The trace that it belongs to.
    pub(super) trace: Option<Context>,
    /// Who calls, once that is known.
    pub(super) call: Option<Arc<Call>>,
    /// Set while the handler runs: a drop then was a panic.
    polling: bool,
}

/// What is known from the start; `None` in [`Entry`] when there is nothing to record, or
/// nothing more.
struct Record {
    rpc: &'static str,
    peer: Option<SocketAddr>,
}

impl Entry {
    /// Of a call that is not recorded.
    pub(super) fn none() -> Box<Self> {
        Box::new(Self {
            record: None,
            permit: None,
            began: Instant::now(),
            deadline: None,
            late: None,
            mutates: false,
            trace: None,
            call: None,
            polling: false,
        })
    }

    /// Of a call that may take so long. In a box, since it moves with the call from layer to
    /// layer.
    pub(super) fn new(method: &Method, peer: Option<&Peer>, time: Option<Duration>) -> Box<Self> {
        let mut entry = Self::none();
        entry.record = method.mutates.then(|| Record {
            rpc: method.name,
            peer: peer.map(|peer| peer.address),
        });
        entry.deadline = time.map(|time| entry.began + time);
        entry.mutates = method.mutates;
        entry
    }

    /// Runs a step of the handler: within the call's trace, and known to be running.
    pub(super) fn step<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let _attached = self.trace.clone().map(Context::attach);
        self.polling = true;
        let done = step();
        self.polling = false;
        done
    }

    /// Waits for the call's deadline, for ever without one; then the call is recorded, and this
    /// is its status.
    pub(super) fn poll_late(&mut self, context: &mut task::Context<'_>) -> Poll<Status> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let late = self
            .late
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(late.as_mut().poll(context));
        let status = status::late(self.mutates);
        self.finish(status.code());
        Poll::Ready(status)
    }

    /// Records the call's result; only the first counts.
    pub(super) fn finish(&mut self, code: Code) {
        let trace = self.trace.take();
        let _attached = trace.clone().map(Context::attach);
        if let Some(trace) = trace {
            trace::end(&trace, self.call.as_deref(), code);
        }
        let Some(Record { rpc, peer }) = self.record.take() else {
            return;
        };
        let call = self.call.as_ref();
        let app = call.and_then(|call| call.app.get()).map(Client::name);
        let job = call.and_then(|call| call.job.get()).map(String::as_str);
        tracing::info!(
            target: TARGET,
            rpc,
            caller = call.map(|call| call.caller.name()),
            app,
            job,
            code = code_name(code),
            peer = peer.as_ref().map(tracing::field::display),
            dur_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "a call that changes something"
        );
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.finish(match self.polling {
            true => Code::Internal,
            false => Code::Cancelled,
        });
    }
}
