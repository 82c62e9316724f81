//! Logins of people: signed session tokens, and the states and codes on the way to one.
//!
//! [`Sessions`] issues, reads and ends the tokens, and publishes the keys that others
//! verify them with. [`Logins`] hands out states and lets each code through once. What
//! must survive a restart is in `store`; neither tokens, states nor codes are. This room
//! does not speak to WeCom: `grpc` joins the two.

mod error;
mod key;
mod logins;
mod random;
mod revocation;
mod seal;
mod sessions;
mod settings;
mod token;

pub use error::{Error, LoginError};
pub use logins::{Begun, Brought, Logins, Turn};
pub use sessions::{Issued, Sessions};
pub use settings::Settings;
pub use token::{Person, SESSION_TOKEN_MAX_BYTES, Session};
