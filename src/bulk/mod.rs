//! Durable bulk sends: one message to very many members, each with one final outcome.
//!
//! `plan` cuts an upload into batches; `job` decides, purely, what happens next; the dispatcher of
//! an app writes each decision down before it acts on it; watchers read what was written. The
//! store is the truth: a crash, a restart and a takeover by another replica are one path.

pub mod job;
pub mod plan;
#[cfg(test)]
mod sim;
