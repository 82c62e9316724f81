//! Which endpoint serves a path.

use super::{app_chat, auth, department, media, message, tag, user};
use crate::sandbox::answer::Answer;
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;
use crate::sandbox::token::Bearer;

/// How a path is served.
pub(in crate::sandbox) enum Endpoint {
    /// Needs no token.
    Open(fn(&mut Corp, &Call) -> Answer),
    /// Needs a token and a trusted IP; gets the place of the token's app.
    Gated(fn(&mut Corp, usize, &Call) -> Answer),
    /// The same for the directory, which the contact-sync secret may ask too.
    Directory(fn(&mut Corp, Bearer, &Call) -> Answer),
}

/// The endpoint at a path, given without `/cgi-bin/`.
pub(in crate::sandbox) fn find(path: &str) -> Option<Endpoint> {
    let families = [
        auth::find,
        message::find,
        app_chat::find,
        media::find,
        user::find,
        department::find,
        tag::find,
    ];
    families.into_iter().find_map(|find| find(path))
}
