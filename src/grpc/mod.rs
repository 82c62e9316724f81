//! The inbound door: gRPC.

pub mod convert;
pub mod pb;
