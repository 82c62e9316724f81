//! The API, one file per family, and what the families lean on.

mod app_chat;
mod auth;
mod card;
mod content;
mod endpoint;
mod fields;
mod media;
mod message;
mod recipients;
mod translate;
mod upload;

pub(super) use endpoint::{Endpoint, find};
