//! The audit record: one for each call that changes something, allowed or refused, on the
//! tracing target `audit`. It says who, what, with which result, from where; never a body
//! nor a credential.

use std::net::SocketAddr;
use std::sync::Arc;

use opentelemetry::Context;
use tokio::time::Instant;
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
    /// When it ends, whatever its handler does.
    pub(super) deadline: Option<Instant>,
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
    began: Instant,
}

impl Entry {
    /// Of a call that is not recorded.
    pub(super) fn none() -> Self {
        Self {
            record: None,
            permit: None,
            deadline: None,
            mutates: false,
            trace: None,
            call: None,
            polling: false,
        }
    }

    pub(super) fn new(method: &Method, peer: Option<&Peer>) -> Self {
        Self {
            record: method.mutates.then(|| Record {
                rpc: method.name,
                peer: peer.map(|peer| peer.address),
                began: Instant::now(),
            }),
            permit: None,
            deadline: None,
            mutates: method.mutates,
            trace: None,
            call: None,
            polling: false,
        }
    }

    /// Runs a step of the handler: within the call's trace, and known to be running.
    pub(super) fn step<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let _attached = self.trace.clone().map(Context::attach);
        self.polling = true;
        let done = step();
        self.polling = false;
        done
    }

    /// The status of a call whose deadline has passed, recorded.
    pub(super) fn late(&mut self) -> Status {
        let status = status::late(self.mutates);
        self.finish(status.code());
        status
    }

    /// Records the call's result; only the first counts.
    pub(super) fn finish(&mut self, code: Code) {
        let trace = self.trace.take();
        let _attached = trace.clone().map(Context::attach);
        if let Some(trace) = trace {
            trace::end(&trace, self.call.as_deref(), code);
        }
        let Some(Record { rpc, peer, began }) = self.record.take() else {
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
            dur_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
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
