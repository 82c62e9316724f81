//! The outbound door: WeCom's HTTP API. Knows nothing of gRPC.

pub mod errcode;
pub mod errmsg;
