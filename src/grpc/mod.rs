//! The inbound door: gRPC.

pub mod health;
pub mod observe;
pub mod server;
