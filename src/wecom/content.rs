//! stub
#![allow(missing_docs)]
use serde::Deserialize;
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TaskCardName {
    InteractiveTaskcard,
    Taskcard,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    Image,
    Voice,
    Video,
    File,
}
impl MediaType {
    pub fn as_str(self) -> &'static str {
        "image"
    }
}
pub enum Media {
    Id(String),
    Inline {
        data: bytes::Bytes,
        file_name: String,
    },
}
pub struct Content(pub Vec<Media>);
impl Content {
    pub fn inline_media(&mut self) -> impl Iterator<Item = (MediaType, &mut Media)> {
        self.0.iter_mut().map(|m| (MediaType::Image, m))
    }
}
