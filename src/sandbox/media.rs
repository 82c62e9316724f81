//! Uploaded media (临时素材).

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Life of a media_id (<https://developer.work.weixin.qq.com/document/path/90253>, read 2026-02).
const LIFE: Duration = Duration::from_secs(3 * 24 * 3600);

/// Bytes kept; the oldest go first, as if they had expired.
const MAX_BYTES: usize = 512 * 1024 * 1024;

/// The four kinds, named as in the `type` of the upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Voice,
    Video,
    File,
}

impl Kind {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "image" => Some(Self::Image),
            "voice" => Some(Self::Voice),
            "video" => Some(Self::Video),
            "file" => Some(Self::File),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::File => "file",
        }
    }
}

/// One upload. All apps of the corp may use it.
pub(super) struct Media {
    pub(super) kind: Kind,
    pub(super) file_name: String,
    pub(super) sha256: String,
    pub(super) bytes: Bytes,
    pub(super) created_at: u64,
    uploaded: Instant,
}

impl Media {
    pub(super) fn new(
        kind: Kind,
        file_name: String,
        sha256: String,
        bytes: Bytes,
        created_at: u64,
    ) -> Self {
        Self {
            kind,
            file_name,
            sha256,
            bytes,
            created_at,
            uploaded: Instant::now(),
        }
    }

    /// Its MIME type, by its first bytes; JSON by its name.
    pub(super) fn content_type(&self) -> &'static str {
        let bytes = &self.bytes;
        if bytes.starts_with(b"\x89PNG") {
            "image/png"
        } else if bytes.starts_with(b"\xff\xd8\xff") {
            "image/jpeg"
        } else if bytes.starts_with(b"#!AMR") {
            "voice/amr"
        } else if bytes.get(4..8) == Some(b"ftyp") {
            "video/mp4"
        } else if self.file_name.ends_with(".json") {
            "application/json"
        } else {
            "application/octet-stream"
        }
    }

    fn to_json(&self, id: &str) -> Value {
        json!({
            "media_id": id,
            "type": self.kind.name(),
            "file_name": self.file_name,
            "sha256": self.sha256,
            "size_bytes": self.bytes.len(),
            "created_at": self.created_at,
        })
    }
}

/// All uploads.
pub(super) struct Shelf {
    media: HashMap<String, Media>,
    bytes: usize,
}

impl Shelf {
    pub(super) fn new() -> Self {
        Self {
            media: HashMap::new(),
            bytes: 0,
        }
    }

    pub(super) fn put(&mut self, id: String, media: Media) {
        self.bytes += media.bytes.len();
        self.media.insert(id, media);
        while self.bytes > MAX_BYTES {
            let oldest = self.media.iter().min_by_key(|(_, media)| media.uploaded);
            let Some(id) = oldest.map(|(id, _)| id.clone()) else {
                break;
            };
            let gone = self.media.remove(&id);
            self.bytes -= gone.map_or(0, |media| media.bytes.len());
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// The upload, unless it is older than three days.
    pub(super) fn get(&self, id: &str) -> Option<&Media> {
        let media = self.media.get(id)?;
        (media.uploaded.elapsed() < LIFE).then_some(media)
    }

    pub(super) fn to_json(&self) -> Value {
        let mut media: Vec<_> = self.media.iter().collect();
        media.sort_by_key(|(_, media)| media.uploaded);
        media
            .into_iter()
            .map(|(id, media)| media.to_json(id))
            .collect()
    }
}
