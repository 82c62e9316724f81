//! Temporary media (临时素材): uploads, and which bytes WeCom already has.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90253> (read 2026-11).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use moka::future::Cache;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::call::{Call, File, Payload, Repeat};
use super::client::Client;
use super::content::{Media, MediaType};
use super::error::{Error, Result};

/// WeCom keeps a file 3 days; an id is not reused in the last two hours, so that
/// a message waiting on its way still finds it.
const REUSE: Duration = Duration::from_secs((3 * 24 - 2) * 3600);
/// Ids kept for each app; at some 200 bytes each, 2 MB.
const MOST_IDS: u64 = 10_000;

/// What makes two uploads one.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    media_type: MediaType,
    file_name: String,
    sha256: [u8; 32],
}

/// The uploads of one app that can be used again.
pub(super) struct Uploads(Cache<Key, Arc<str>>);

impl Uploads {
    pub(super) fn new() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MOST_IDS)
                .time_to_live(REUSE)
                .build(),
        )
    }

    /// Puts a media id in the place of inline bytes; equal bytes under an equal
    /// name are uploaded once.
    pub(super) async fn replace(
        &self,
        client: &Client,
        media_type: MediaType,
        media: &mut Media,
        deadline: Instant,
    ) -> Result<()> {
        let Media::Inline { data, file_name } = media else {
            return Ok(());
        };
        let key = Key {
            media_type,
            file_name: file_name.clone(),
            sha256: Sha256::digest(&data).into(),
        };
        let upload = Upload(Arc::new(File {
            media_type: media_type.name(),
            file_name: std::mem::take(file_name),
            data: std::mem::replace(data, Bytes::new()),
        }));
        let id = self
            .0
            .try_get_with(key, async {
                client
                    .call(&upload, deadline)
                    .await
                    .map(|reply| reply.media_id.into())
            })
            .await
            .map_err(|error: Arc<Error>| (*error).clone())?;
        *media = Media::Id(id.to_string());
        Ok(())
    }
}

/// media/upload.
struct Upload(Arc<File>);

#[derive(Deserialize)]
struct Uploaded {
    media_id: String,
}

impl Call for Upload {
    const PATH: &'static str = "media/upload";
    type Reply = Uploaded;

    /// A spare media id harms nobody.
    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::File(self.0.clone())
    }
}
