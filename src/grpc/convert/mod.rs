//! Between the contract's types and ours, one file per family: the only place
//! where the two meet.

mod card;
pub mod content;
pub mod message;
