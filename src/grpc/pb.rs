//! The contract as Rust types, generated from `proto/`, and nothing else.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    rustdoc::all,
    reason = "generated: its form is not ours to choose"
)]

tonic::include_proto!("wecomgw.v1");

/// The contract as a serialized `FileDescriptorSet`, comments included: what
/// reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
