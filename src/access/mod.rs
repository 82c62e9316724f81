//! Which program is calling, and what it may do. A caller is a program with an
//! API token; a person who logs in through WeCom is another matter.

mod caller;
mod settings;

pub use caller::{Access, Caller, Error};
pub use settings::Settings;
