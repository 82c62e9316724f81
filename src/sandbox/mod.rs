//! A WeCom (企业微信) that runs on a desk.
//!
//! It plays the far side of the wire: the same paths, rules, limits and odd
//! habits as `qyapi.weixin.qq.com`, a directory of invented people, an inbox
//! to look at and faults on demand. It shares no struct with the client side,
//! so that a mistake made there is not repeated here.
//!
//! What it does not do: callbacks to the app. `dev` and `sandbox` in `cli` start it, and
//! so do the tests.
//!
//! ```no_run
//! # async fn demo() -> std::io::Result<()> {
//! use wecomgw::sandbox::{Sandbox, Settings};
//! let sandbox = Sandbox::bind(Settings::demo(([127, 0, 0, 1], 0).into())).await?;
//! println!("inbox: {}", sandbox.base_url());
//! sandbox.run(tokio_util::sync::CancellationToken::new()).await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod api;
mod call;
mod chat;
mod clock;
mod control;
mod corp;
mod demo;
mod directory;
mod duplicate;
mod fault;
mod gallery;
mod inbox;
mod ledger;
mod log;
mod login;
mod media;
mod pace;
mod page;
mod profile;
mod server;
mod settings;
mod token;
mod web;
mod wire;
mod witness;

#[cfg(test)]
mod tests;

pub use directory::{Department, Directory, Member, Tag};
pub use server::Sandbox;
pub use settings::{
    App, DuplicateAnswer, DuplicateScope, Modes, Settings, StraySafe, TokenMode, VisibleRange,
};
