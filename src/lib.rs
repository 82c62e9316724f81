//! wecomgw: a gRPC gateway to WeCom (企业微信).
//!
//! The map of the house. Data flows one way, top to bottom; a room may use the
//! rooms below it and none above (`tests/layers.rs` holds the full table):
//!
//! ```text
//! cli        one file per command: dev, serve, sandbox, send, check, health
//! gateway    the composition root: settings in, a running gateway out
//! grpc       the inbound door: listener, health, one thin adapter per service
//! bulk       durable bulk sends
//! wecom      the outbound door: token, pacing, retry, and every WeCom endpoint
//! store      what must survive a restart
//! ```
//!
//! Beside that line stand `access` (which program is calling), `session` (which
//! person has logged in), `admin` and
//! `telemetry` (how the process is watched), `config` (how settings are read),
//! `reload` (secrets that change meanwhile),
//! and `sandbox`, a WeCom that runs on a desk and shares no code with `wecom`
//! but the table of error codes.

pub mod access;
pub mod admin;
pub mod bulk;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod grpc;
pub mod reload;
pub mod sandbox;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod wecom;
