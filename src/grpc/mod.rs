//! The inbound door: gRPC. One thin adapter for each service: who calls and for
//! which app, convert and call, answer. Nothing below knows of tonic.

mod app_chat;
mod auth;
mod bulk;
mod caller;
mod code_exchange;
pub mod convert;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
mod gateway;
pub mod health;
mod media;
mod message;
pub mod observe;
pub mod pb;
mod request_id;
pub mod server;
pub mod status;
mod upload;
mod user;

pub use app_chat::AppChatService;
pub use auth::AuthService;
pub use bulk::{BULK_DECODE_LIMIT_BYTES, BulkService};
pub use caller::Callers;
pub use gateway::GatewayService;
pub use media::MediaService;
pub use message::MessageService;
pub use request_id::RequestIds;
pub use upload::UPLOAD_DECODE_LIMIT_BYTES;
pub use user::UserService;
