//! What a bulk job must survive: real processes of the shipped binary are killed, stopped, cut
//! off and starved, while a sandbox in a process of its own is the witness of what was sent.
//!
//! `cargo test` runs the quick tier in debug; `make torture` all of it, as docs/RELIABILITY.md
//! tells. A scenario by itself:
//! `cargo test --release --test torture -- --ignored --nocapture r1::sqlite`.
//!
//! `server` tries the gRPC port in the same way, without bulk jobs in most of it.
//!
//! Other tests pause the clock; here processes other than the test's own are watched, so that
//! time passes as it does.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "what does not hold here is a failed test, and figures are printed"
)]

mod caller;
mod control;
mod crash;
mod disk;
mod events;
#[path = "../support/http2.rs"]
mod http2;
mod load;
#[path = "../support/postgres.rs"]
mod postgres;
mod process;
mod replicas;
mod sends;
mod server;
mod verify;
mod world;

/// A scenario as a test on each engine: `r5::sqlite`, `r5::postgres`.
macro_rules! scenario {
    ($(#[$attribute:meta])* $name:ident = $run:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "some scenarios need nothing else")]
            use super::*;

            $(#[$attribute])*
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                ($run)($crate::world::Engine::Sqlite).await;
            }

            $(#[$attribute])*
            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                ($run)($crate::world::Engine::Postgres).await;
            }
        }
    };
}
use scenario;
