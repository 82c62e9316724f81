//! Why a session or a login is refused.

use crate::store;

/// Why a session token is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no token of this gateway, or was damaged.
    #[error("the session token is not one of this gateway's")]
    Invalid,
    /// Its time is over.
    #[error("the session has ended; the person must log in again")]
    Expired,
    /// It was ended before its time.
    #[error("the session was logged out; the person must log in again")]
    Revoked,
    /// Whether it was ended cannot be told.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Why a login does not go on.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The state is empty, unknown, used, has ended, or is another app's or caller's.
    #[error(
        "the login's state is empty, unknown, used, over, or was made for another app or caller; begin the login again"
    )]
    StateRefused,
    /// The code was brought before, by another caller, with another state, or long ago.
    #[error("the login's code was brought before; begin the login again")]
    CodeUsed,
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
}
