//! Which endpoint serves a path.

use super::{app_chat, auth, media, message};
use crate::sandbox::answer::Answer;
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;

/// How a path is served.
pub(in crate::sandbox) enum Endpoint {
    /// Needs no token.
    Open(fn(&mut Corp, &Call) -> Answer),
    /// Needs a token and a trusted IP; gets the place of the token's app.
    Gated(fn(&mut Corp, usize, &Call) -> Answer),
}

/// The endpoint at a path, given without `/cgi-bin/`.
pub(in crate::sandbox) fn find(path: &str) -> Option<Endpoint> {
    let families = [auth::find, message::find, app_chat::find, media::find];
    families.into_iter().find_map(|find| find(path))
}
