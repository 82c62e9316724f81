//! The inbound door: gRPC.
