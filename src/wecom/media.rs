//! Media (素材): which bytes WeCom already has, and the calls that store them. How a
//! stream comes in is in `intake` and `spool`, how a file goes out in `download`.
//!
//! Sources: <https://developer.work.weixin.qq.com/document/path/90253> and
//! <https://developer.work.weixin.qq.com/document/path/90256> (read 2026-11).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use moka::future::Cache;
use moka::ops::compute::Op;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use super::call::{Call, File, FileData, Payload, Repeat};
use super::client::Client;
use super::content::{Media, MediaType};
use super::error::{Error, Refusal, Result};
use super::transport::number_or_string;

mod download;
mod intake;
mod spool;

pub use download::{Download, Get};
pub use intake::{CHUNK_MAX_BYTES, Incoming, Intake, Purpose, Received};
pub use spool::Spooled;

/// How long WeCom keeps a file.
pub const LIFE: Duration = Duration::from_secs(3 * 24 * 3600);
/// An id is not reused in its last two hours, so that a message waiting on its way
/// still finds it.
const REUSE: Duration = LIFE.saturating_sub(Duration::from_secs(2 * 3600));
/// Ids kept for each app; at some 200 bytes each, 2 MB.
const MOST_IDS: u64 = 10_000;
/// What WeCom says of a media_id that it does not have: unknown, ended, and not valid
/// in a row of a card (<https://developer.work.weixin.qq.com/document/path/90313>).
const LOST: [i64; 3] = [40007, 40145, 42029];
/// The type in the page's sample, for every file.
const ANY_BYTES: &str = "application/octet-stream";

/// Whether WeCom does not have a file that a call names.
pub(super) fn is_lost(refusal: &Refusal) -> bool {
    LOST.contains(&refusal.errcode)
}

/// What makes two uploads one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    media_type: MediaType,
    file_name: String,
    sha256: [u8; 32],
}

/// A media id that stands for bytes.
#[derive(Debug)]
pub struct Used {
    key: Key,
    media_id: String,
}

/// WeCom's answer to an upload.
#[derive(Debug, Clone, Deserialize)]
pub struct Uploaded {
    /// The file's id, for 3 days.
    pub media_id: String,
    /// When WeCom stored it.
    #[serde(deserialize_with = "time")]
    pub created_at: SystemTime,
}

/// Seconds since 1970; WeCom writes them as a string.
fn time<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<SystemTime, D::Error> {
    let seconds = number_or_string(from)?;
    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Ok(UNIX_EPOCH.checked_add(seconds).unwrap_or(UNIX_EPOCH))
}

/// The uploads of one app that can be used again.
pub(super) struct Uploads(Cache<Key, Kept>);

#[derive(Clone)]
struct Kept {
    uploaded: Arc<Uploaded>,
    /// When it is too old to be used again.
    until: Instant,
}

impl Uploads {
    pub(super) fn new() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MOST_IDS)
                .time_to_live(REUSE)
                .build(),
        )
    }

    /// Puts a media id in the place of inline bytes, and tells which; equal bytes
    /// under an equal name are uploaded once.
    pub(super) async fn replace(
        &self,
        client: &Client,
        media_type: MediaType,
        media: &mut Media,
        deadline: Instant,
    ) -> Result<Option<Used>> {
        let Media::Inline { data, file_name } = media else {
            return Ok(None);
        };
        let key = Key {
            media_type,
            file_name: std::mem::take(file_name),
            sha256: Sha256::digest(&data).into(),
        };
        let data = FileData::Memory(std::mem::replace(data, Bytes::new()));
        let (uploaded, _) = self.get(client, key.clone(), data, deadline).await?;
        let media_id = uploaded.media_id.clone();
        *media = Media::Id(media_id.clone());
        Ok(Some(Used { key, media_id }))
    }

    /// The upload of these bytes, and whether it is an earlier one.
    async fn get(
        &self,
        client: &Client,
        key: Key,
        data: FileData,
        deadline: Instant,
    ) -> Result<(Arc<Uploaded>, bool)> {
        let upload = Upload(Arc::new(File {
            media_type: Some(key.media_type.name()),
            file_name: key.file_name.clone(),
            content_type: ANY_BYTES,
            data,
        }));
        loop {
            let flight = self.0.entry(key.clone()).or_try_insert_with(async {
                let uploaded = client.call(&upload, deadline).await?;
                let until = Instant::now() + REUSE;
                Ok(Kept {
                    uploaded: Arc::new(uploaded),
                    until,
                })
            });
            let Ok(result) = timeout_at(deadline, flight).await else {
                return Err(late());
            };
            match result {
                Ok(entry) if entry.value().until <= Instant::now() => {
                    let media_id = entry.value().uploaded.media_id.clone();
                    self.forget(&key, &media_id).await;
                }
                Ok(entry) => {
                    let reused = !entry.is_fresh();
                    return Ok((entry.into_value().uploaded, reused));
                }
                // Whoever uploaded for all had less time than we have.
                Err(error)
                    if matches!(*error, Error::Deadline { .. }) && Instant::now() < deadline => {}
                Err(error) => return Err((*error).clone()),
            }
        }
    }

    /// Forgets an id, unless another one has taken its place.
    async fn forget(&self, key: &Key, media_id: &str) {
        self.0
            .entry(key.clone())
            .and_compute_with(|entry| async move {
                match entry {
                    Some(entry) if entry.value().uploaded.media_id == media_id => Op::Remove,
                    _ => Op::Nop,
                }
            })
            .await;
    }
}

fn late() -> Error {
    Error::Deadline {
        path: Upload::PATH,
        sent: false,
    }
}

impl Client {
    /// Stores a file for 3 days, or finds the earlier upload of the same bytes under
    /// the same name; tells which.
    pub async fn upload_media(
        &self,
        received: Received,
        deadline: Instant,
    ) -> Result<(Arc<Uploaded>, bool)> {
        let Received {
            purpose,
            file_name,
            head: _,
            data,
            sha256,
        } = received;
        let key = Key {
            media_type: purpose.media_type(),
            file_name,
            sha256,
        };
        let data = FileData::Disk(data);
        self.uploads().get(self, key, data, deadline).await
    }

    /// Stores a picture for ever and gives its address.
    pub async fn upload_picture(&self, received: Received, deadline: Instant) -> Result<String> {
        let Received {
            purpose: _,
            file_name,
            head,
            data,
            sha256: _,
        } = received;
        let upload = UploadPicture(Arc::new(File {
            media_type: None,
            file_name,
            content_type: match head.starts_with(b"\x89PNG") {
                true => "image/png",
                false => "image/jpeg",
            },
            data: FileData::Disk(data),
        }));
        let Stored { url } = self.call(&upload, deadline).await?;
        Ok(url)
    }

    /// Whether `error` says that WeCom has lost media that these ids stand for. Then
    /// they are forgotten here too, and to prepare the message again uploads them.
    pub async fn media_was_lost(&self, used: &[Used], error: &Error) -> bool {
        let lost = matches!(error, Error::Refused { refusal, .. } if is_lost(refusal));
        if !lost || used.is_empty() {
            return false;
        }
        for Used { key, media_id } in used {
            self.uploads().forget(key, media_id).await;
        }
        tracing::info!(app = %self.name(), "WeCom has lost media; they are uploaded again");
        true
    }
}

/// media/upload.
struct Upload(Arc<File>);

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

/// media/uploadimg.
struct UploadPicture(Arc<File>);

#[derive(Deserialize)]
struct Stored {
    url: String,
}

impl Call for UploadPicture {
    const PATH: &'static str = "media/uploadimg";
    type Reply = Stored;

    /// A spare address harms nobody, though it counts against the corp's 1000 a day.
    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::File(self.0.clone())
    }
}
