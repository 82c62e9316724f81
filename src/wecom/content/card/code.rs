//! The choices inside template cards, which WeCom writes as numbers.
//!
//! Source, read on 2026-11-24: <https://developer.work.weixin.qq.com/document/path/90236>

use serde::{Serialize, Serializer};

/// Enums that WeCom writes as numbers.
macro_rules! written_as_number {
    ($($type:ty),+) => { $(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(*self as u8)
            }
        }
    )+ };
}

written_as_number!(
    CardSourceColor,
    CardLinkType,
    CardHorizontalContentType,
    CardButtonType,
    CardCheckboxMode
);

/// Colour of a card's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CardSourceColor {
    /// 0
    Grey = 0,
    /// 1
    Black = 1,
    /// 2
    Red = 2,
    /// 3
    Green = 3,
}

/// What a tap opens. Absent: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CardLinkType {
    /// 1
    Url = 1,
    /// 2
    MiniProgram = 2,
}

/// What the value of a line of a key and a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CardHorizontalContentType {
    /// 1
    Url = 1,
    /// 2
    File = 2,
    /// 3
    User = 3,
}

/// What a button of a card does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CardButtonType {
    /// 0: calls back.
    Callback = 0,
    /// 1: opens a link.
    Url = 1,
}

/// How many options of a list of choices may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CardCheckboxMode {
    /// 0: one.
    Single = 0,
    /// 1: any number.
    Multiple = 1,
}
