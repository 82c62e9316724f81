//! The outbound door: WeCom's HTTP API. Knows nothing of gRPC.

mod article;
pub mod card;
mod card_choice;
mod card_code;
mod card_link;
mod card_part;
pub mod check;
pub mod content;
pub mod errcode;
pub mod id;
pub mod media_source;
pub mod message;
mod sent;
mod task_card;
mod violation;

pub use content::Content;
pub use message::Sent;
pub use violation::Violation;
