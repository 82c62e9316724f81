//! A file that comes in pieces, held to its rules as it grows: a broken one ends the
//! upload before the rest is read. The pages of the limits were read in 2026-11.

use bytes::Bytes;

use super::spool::{Spool, Spooled};
use crate::wecom::check::{Checker, Path};
use crate::wecom::client::Client;
use crate::wecom::content::{MEDIA_MIN_BYTES, MediaType, check_file_name};
use crate::wecom::error::{Error, Result};

const MIB: u64 = 1024 * 1024;
/// Largest picture to be sent. The text of errcode 45001 on path 90313 says 5 MB; the
/// page of the call is newer. <https://developer.work.weixin.qq.com/document/path/90253>
const IMAGE_MAX_BYTES: u64 = 10 * MIB;
/// Largest voice recording; it may last 60 s, which only WeCom can tell.
/// <https://developer.work.weixin.qq.com/document/path/90253>
const VOICE_MAX_BYTES: u64 = 2 * MIB;
/// Largest video. <https://developer.work.weixin.qq.com/document/path/90253>
const VIDEO_MAX_BYTES: u64 = 10 * MIB;
/// Largest file. <https://developer.work.weixin.qq.com/document/path/90253>
const FILE_MAX_BYTES: u64 = 20 * MIB;
/// Largest picture to be stored for ever.
/// <https://developer.work.weixin.qq.com/document/path/90256>
const PICTURE_MAX_BYTES: u64 = 2 * MIB;
/// Longest piece: the gateway's own limit, so that an upload takes little memory.
pub const CHUNK_MAX_BYTES: usize = 1024 * 1024;
/// As many first bytes as it takes to know a format.
const HEAD_BYTES: usize = 8;

/// What a file is uploaded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Media of a message, kept for 3 days.
    Media(MediaType),
    /// A picture for the HTML of an article, kept for ever.
    Picture,
}

impl Purpose {
    fn max_bytes(self) -> u64 {
        match self {
            Self::Media(MediaType::Image) => IMAGE_MAX_BYTES,
            Self::Media(MediaType::Voice) => VOICE_MAX_BYTES,
            Self::Media(MediaType::Video) => VIDEO_MAX_BYTES,
            Self::Media(MediaType::File) => FILE_MAX_BYTES,
            Self::Picture => PICTURE_MAX_BYTES,
        }
    }

    /// The type whose formats it takes.
    pub(super) fn media_type(self) -> MediaType {
        match self {
            Self::Media(media_type) => media_type,
            Self::Picture => MediaType::Image,
        }
    }
}

/// What is known of a file before its bytes come.
#[derive(Debug)]
pub struct Incoming {
    /// What it is uploaded as.
    pub purpose: Purpose,
    /// The name that recipients see.
    pub file_name: String,
    /// Its length, if the caller says it.
    pub size_bytes: Option<u64>,
}

impl Incoming {
    /// Checks every rule that can be checked without the bytes.
    pub fn check(&self, path: &Path<'_>, found: &mut Checker) {
        check_file_name(&path.field("file_name"), &self.file_name, found);
        if let Some(size) = self.size_bytes {
            let field = path.field("size_bytes");
            check_size(&field, size, self.purpose, found);
        }
    }
}

fn check_size(path: &Path<'_>, size: u64, purpose: Purpose, found: &mut Checker) {
    let (least, most) = (MEDIA_MIN_BYTES as u64, purpose.max_bytes());
    if size < least {
        found.add(
            path,
            format_args!("{size} bytes, at least {least} are needed"),
        );
    } else if size > most {
        found.add(path, format_args!("{size} bytes, the limit is {most}"));
    }
}

/// A file under way.
pub struct Intake {
    incoming: Incoming,
    head: Vec<u8>,
    spool: Spool,
}

/// A file that came whole and keeps every rule.
pub struct Received {
    pub(super) purpose: Purpose,
    pub(super) file_name: String,
    pub(super) head: Vec<u8>,
    pub(super) data: Spooled,
    pub(super) sha256: [u8; 32],
}

impl Client {
    /// Begins to receive a file whose [`Incoming::check`] found nothing.
    pub async fn receive(&self, incoming: Incoming) -> Result<Intake> {
        let spool = Spool::new(self.upload_dir()).await?;
        Ok(Intake::new(incoming, spool))
    }
}

impl Intake {
    fn new(incoming: Incoming, spool: Spool) -> Self {
        Self {
            incoming,
            head: Vec::with_capacity(HEAD_BYTES),
            spool,
        }
    }

    /// Takes the next bytes, or tells the rule that they break.
    pub async fn push(&mut self, chunk: Bytes) -> Result<()> {
        let mut found = Checker::default();
        let path = Path::ROOT.field("chunk");
        if chunk.is_empty() {
            found.add(&path, format_args!("must not be empty"));
        } else if chunk.len() > CHUNK_MAX_BYTES {
            let size = chunk.len();
            found.add(
                &path,
                format_args!("{size} bytes, the limit is {CHUNK_MAX_BYTES}"),
            );
        }
        self.check_growth(&path, chunk.len() as u64, &mut found);
        let missing = HEAD_BYTES - self.head.len();
        self.head.extend(chunk.iter().take(missing));
        if self.head.len() == HEAD_BYTES && missing > 0 {
            self.check_head(&path, &mut found);
        }
        valid(found)?;
        self.spool.write(chunk).await
    }

    /// The whole file, or the rule that it breaks.
    pub fn finish(self) -> Result<Received> {
        let mut found = Checker::default();
        let path = Path::ROOT.field("chunk");
        let size = self.spool.length();
        check_size(&path, size, self.incoming.purpose, &mut found);
        if let Some(declared) = self
            .incoming
            .size_bytes
            .filter(|declared| *declared != size)
        {
            let header = Path::ROOT.field("header");
            found.add(
                &header.field("size_bytes"),
                format_args!("{declared}, but {size} bytes came"),
            );
        }
        if size >= MEDIA_MIN_BYTES as u64 && self.head.len() < HEAD_BYTES {
            self.check_head(&path, &mut found);
        }
        valid(found)?;
        let (data, sha256) = self.spool.finish();
        Ok(Received {
            purpose: self.incoming.purpose,
            file_name: self.incoming.file_name,
            head: self.head,
            data,
            sha256,
        })
    }

    /// More than may come: the rest is not worth reading.
    fn check_growth(&self, path: &Path<'_>, more: u64, found: &mut Checker) {
        let size = self.spool.length() + more;
        let limit = self.incoming.purpose.max_bytes();
        match self.incoming.size_bytes {
            Some(declared) if size > declared => {
                let header = Path::ROOT.field("header");
                found.add(
                    &header.field("size_bytes"),
                    format_args!("{declared}, but more came"),
                );
            }
            _ if size > limit => {
                found.add(path, format_args!("over {limit} bytes in all, the limit"));
            }
            _ => {}
        }
    }

    fn check_head(&self, path: &Path<'_>, found: &mut Checker) {
        let media_type = self.incoming.purpose.media_type();
        if !media_type.recognizes(&self.head) {
            let formats = media_type.formats();
            found.add(
                path,
                format_args!("must be {formats}, the bytes are something else"),
            );
        }
    }
}

fn valid(found: Checker) -> Result<()> {
    let violations = found.into_violations();
    match violations.is_empty() {
        true => Ok(()),
        false => Err(Error::Invalid(violations)),
    }
}

#[cfg(test)]
mod tests;
