//! The command line: one file for each command.

#![expect(
    clippy::disallowed_macros,
    reason = "the one room that talks to the terminal"
)]

mod bulk;
mod check;
mod command;
mod connection;
mod dev;
mod doctor;
mod health;
mod sandbox;
mod send;
mod serve;

pub use command::main;
