//! The API, one file per family, and what the families lean on.

mod app_chat;
mod auth;
mod card;
mod content;
mod department;
mod endpoint;
mod fields;
mod media;
mod message;
mod recipients;
mod tag;
mod translate;
mod upload;
mod user;
mod view;

pub(super) use endpoint::{Endpoint, find};
