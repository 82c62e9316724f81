//! Client of wecomgw, a gRPC gateway to WeCom (企业微信).
//!
//! [`Client`] is the way in; [`v1`] is the contract; [`GatewayError`] is what a failed call says.

mod bulk;
mod calls;
mod client;
mod content;
mod error;

pub use bulk::BulkEvents;
pub use client::{Client, InvalidOptions, Options};
pub use content::{departments, everyone, file, image, markdown, tags, text, text_card, users};
pub use error::GatewayError;
pub use tonic_types::FieldViolation;

/// The contract, generated from `proto/`.
#[rustfmt::skip]
#[path = "gen/wecomgw.v1.rs"]
pub mod v1;
