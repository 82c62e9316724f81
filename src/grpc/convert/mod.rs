//! Between the contract's types and ours, one file per family: the only place
//! where the two meet.

pub(super) mod app_chat;
pub(super) mod auth;
pub(super) mod bulk;
mod card;
pub(super) mod content;
pub(super) mod gateway;
pub(super) mod media;
pub(super) mod message;
pub(super) mod update;
pub(super) mod user;
