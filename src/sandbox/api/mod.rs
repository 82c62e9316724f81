//! The API, one file per family, and what the families lean on.

mod auth;
mod card;
mod content;
mod fields;
mod media;
mod message;
mod recipients;
mod translate;
mod upload;

use super::answer::Answer;
use super::call::Call;
use super::corp::Corp;

/// How a path is served.
pub(super) enum Endpoint {
    /// Needs no token.
    Open(fn(&mut Corp, &Call) -> Answer),
    /// Needs a token and a trusted IP; gets the place of the token's app.
    Gated(fn(&mut Corp, usize, &Call) -> Answer),
}

/// The endpoint at a path, given without `/cgi-bin/`.
pub(super) fn find(path: &str) -> Option<Endpoint> {
    let families = [auth::find, message::find, media::find];
    families.into_iter().find_map(|find| find(path))
}
