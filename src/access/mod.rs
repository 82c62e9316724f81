//! Which program is calling, and what it may do. A caller is a program with an API
//! token, a certificate or a service account; a person who logs in through WeCom is
//! another matter.

mod api_token;
mod caller;
mod error;
mod jwks;
mod service_account;
mod settings;

pub use caller::{Access, Caller};
pub use error::Error;
pub use service_account::ServiceAccounts;
pub use settings::{ServiceAccountSettings, Settings};
