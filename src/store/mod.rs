//! What must survive a restart.
//!
//! The store keeps, so far, the request ids of unary sends: which send was asked for,
//! whether it may have reached WeCom, and how it ended. It knows neither gRPC nor
//! WeCom; bodies and answers are bytes to it. The `grpc` room asks it, `gateway` opens
//! it. Times are passed in as unix milliseconds, so that nothing here reads a clock.

mod error;
mod requests;
mod settings;
mod sqlite;
#[cfg(test)]
mod tests;

pub use error::{Error, Result};
pub use requests::{Attempt, Begin, CLOCK_TOLERANCE, REQUEST_ID_LIFE};
pub use settings::Settings;
pub use sqlite::Store;
