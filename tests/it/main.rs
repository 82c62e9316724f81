//! The gateway as its users see it: a real gRPC client on one side, the sandbox
//! on the other, everything between them as shipped.

#![allow(
    clippy::unwrap_used,
    reason = "what does not hold here is a failed test"
)]

mod access;
mod app_chat;
mod audit;
mod auth;
mod bad_input;
mod bulk;
mod check;
mod deny;
mod dynamic;
mod each_rpc;
mod examples;
mod far;
mod faults;
mod fixtures;
mod fuzz_corpus;
mod gateway;
mod harness;
#[path = "../support/http2.rs"]
mod http2;
mod media;
mod message;
mod overload;
#[path = "../support/postgres.rs"]
mod postgres;
mod request_id;
mod rotation;
mod series;
mod store_away;
mod trace;
mod update;
mod upstream;
mod user;
