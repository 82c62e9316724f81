//! The command line: one file for each command.

mod check;
mod command;
mod dev;
mod health;
mod sandbox;
mod send;
mod serve;

pub use command::main;
