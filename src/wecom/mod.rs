//! The outbound door: WeCom's HTTP API. Knows nothing of gRPC.
//!
//! [`build`] makes a [`Client`] for each configured app; each endpoint is a
//! [`Call`]; every call takes the one path of [`Client::call`]: pace, circuit,
//! token, exchange, errcode, repetition. Nobody else in the house speaks HTTP to
//! WeCom or sees an access token.

pub mod app_chat;
pub mod auth;
mod breaker;
mod call;
pub mod check;
mod client;
pub mod content;
pub mod diagnosis;
pub mod errcode;
mod errmsg;
mod error;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
pub mod id;
pub mod media;
pub mod message;
mod metrics;
mod rate;
pub mod raw;
mod settings;
mod token;
mod trace;
mod transport;
pub mod user;
mod violation;

pub use call::{Call, ChatShare, Credential, Payload, Repeat};
pub use client::{AppState, Client, build};
pub use content::Content;
pub use error::{Error, Held, Reason, Refusal, Result, Scope};
pub use message::{Rendered, Sent};
pub use metrics::Metrics;
pub use rate::QuotaState;
pub use settings::{App, Settings};
pub use token::{AccessToken, Sharing, TokenState};
pub use violation::Violation;
