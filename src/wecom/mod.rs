//! The outbound door: WeCom's HTTP API. Knows nothing of gRPC.

pub mod errcode;
mod violation;

pub use violation::Violation;
