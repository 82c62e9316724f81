//! What the gRPC port must survive: bars S1 to S12 of docs/RELIABILITY.md, section "Server".

mod drain;
mod soak;
mod traffic;
