//! Apps and their state, for people.

use std::time::{Duration, SystemTime};

use crate::grpc::pb;
use crate::wecom::diagnosis::{Check, Verdict};
use crate::wecom::{AppState, Client, QuotaState, TokenState};

pub(in crate::grpc) fn app(client: &Client, state: AppState) -> pb::App {
    let AppState {
        token: state,
        quotas,
        circuit_open,
    } = state;
    pb::App {
        name: client.name().to_owned(),
        corp_id: client.corp_id().to_owned(),
        agent_id: client.agent_id(),
        token: Some(token(state)),
        quotas: quotas.into_iter().map(quota).collect(),
        circuit_open,
    }
}

pub(in crate::grpc) fn check(check: Check) -> pb::DiagnosisCheck {
    let Check {
        name,
        verdict,
        finding,
        remedy,
        errcode,
    } = check;
    let verdict = match verdict {
        Verdict::Ok => pb::DiagnosisVerdict::Ok,
        Verdict::Warning => pb::DiagnosisVerdict::Warning,
        Verdict::Failed => pb::DiagnosisVerdict::Failed,
        Verdict::Skipped => pb::DiagnosisVerdict::Skipped,
    };
    pb::DiagnosisCheck {
        name: name.to_owned(),
        verdict: verdict.into(),
        finding,
        remedy,
        errcode,
    }
}

fn token(state: TokenState) -> pb::TokenState {
    let TokenState {
        fetched_at,
        life_left,
        refreshes,
        failures_in_row,
        last_error,
        last_errcode,
        retry_after,
    } = state;
    pb::TokenState {
        valid: life_left.is_some(),
        fetched_at: fetched_at.map(Into::into),
        expires_at: life_left.map(|left| (SystemTime::now() + left).into()),
        refreshes,
        failures_in_row,
        last_error: last_error.unwrap_or_default(),
        last_errcode: last_errcode.unwrap_or_default(),
        retry_after: retry_after.map(duration),
    }
}

fn quota(state: QuotaState) -> pb::QuotaState {
    let QuotaState {
        api,
        limit,
        used_ratio,
        retry_after,
    } = state;
    pb::QuotaState {
        api: api.to_owned(),
        limit,
        used_ratio,
        retry_after: retry_after.map(duration),
    }
}

/// A length of time, rounded to the contract's longest.
pub(super) fn duration(duration: Duration) -> prost_types::Duration {
    duration.try_into().unwrap_or(prost_types::Duration {
        seconds: i64::MAX,
        nanos: 0,
    })
}
