//! Where the bytes of a streamed upload wait: a file on disk without a name, which
//! vanishes with the process however it ends. So an upload of 20 MiB takes the memory
//! of one chunk, WeCom is called only for files that are complete and keep the rules,
//! and the call can be repeated.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::wecom::error::{Error, Result};

/// Read at once: four of HTTP/2's largest common frames, and small beside the 4 MiB
/// that an upload may take.
const READ_BYTES: u64 = 64 * 1024;

/// A file that is being received.
pub(super) struct Spool {
    file: Arc<File>,
    hasher: Sha256,
    length: u64,
}

/// A file on disk, complete.
pub struct Spooled {
    file: Arc<File>,
    length: u64,
}

impl Spool {
    /// An empty file in `folder`, or where the system keeps temporary files.
    pub(super) async fn new(folder: Option<&Path>) -> Result<Self> {
        let folder = folder.map(Path::to_owned);
        let create = move || match folder {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        };
        Ok(Self {
            file: Arc::new(on_disk(create).await?),
            hasher: Sha256::new(),
            length: 0,
        })
    }

    /// Adds bytes at the end, and waits until the system has them.
    pub(super) async fn write(&mut self, chunk: Bytes) -> Result<()> {
        let file = self.file.clone();
        let mut hasher = std::mem::take(&mut self.hasher);
        self.length += chunk.len() as u64;
        // Hashing a chunk takes milliseconds: not on a thread that serves calls.
        self.hasher = on_disk(move || {
            hasher.update(&chunk);
            (&*file).write_all(&chunk)?;
            Ok(hasher)
        })
        .await?;
        Ok(())
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The file and its SHA-256.
    pub(super) fn finish(self) -> (Spooled, [u8; 32]) {
        let Self {
            file,
            hasher,
            length,
        } = self;
        (Spooled { file, length }, hasher.finalize().into())
    }
}

impl Spooled {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its bytes from the beginning, each time it is called.
    pub(in crate::wecom) fn stream(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let (file, length) = (self.file.clone(), self.length);
        stream::try_unfold((file, 0), move |(file, offset)| async move {
            let size = READ_BYTES.min(length - offset);
            if size == 0 {
                return Ok(None);
            }
            let reader = file.clone();
            let piece = spawn_blocking(move || {
                let mut piece = vec![0; usize::try_from(size).unwrap_or_default()];
                // At a place of its own: two readings never share a position.
                reader.read_exact_at(&mut piece, offset)?;
                Ok::<_, io::Error>(Bytes::from(piece))
            });
            let piece = piece.await.map_err(io::Error::other)??;
            Ok(Some((piece, (file, offset + size))))
        })
    }
}

/// Runs what may wait for a disk.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::Internal(format!("an upload cannot be kept on disk: {error}"))
    };
    match spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(&error.kind())),
        Err(error) => Err(failed(&error)),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_as_often_as_it_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::new(Some(folder.path())).await.expect("a file");
        let bytes: Vec<u8> = (0..200_001u32).map(|n| (n % 251) as u8).collect();
        for chunk in bytes.chunks(70_000) {
            spool
                .write(Bytes::copy_from_slice(chunk))
                .await
                .expect("room");
        }
        let (spooled, sha256) = spool.finish();
        assert_eq!(spooled.length(), 200_001);
        assert_eq!(sha256, <[u8; 32]>::from(Sha256::digest(&bytes)));
        for _ in 0..2 {
            let (one, two) = (spooled.stream(), spooled.stream());
            let (one, two) = tokio::join!(
                one.try_collect::<Vec<Bytes>>(),
                two.try_collect::<Vec<Bytes>>()
            );
            assert!(
                one.expect("pieces").concat() == bytes && two.expect("pieces").concat() == bytes
            );
        }
        let left = std::fs::read_dir(folder.path())
            .expect("the folder")
            .count();
        assert_eq!(left, 0, "the file has no name");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_our_fault() {
        let folder = Path::new("/nowhere/at/all");
        let error = Spool::new(Some(folder)).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Internal(_)), "{error:?}");
        assert!(!error.to_string().contains("nowhere"), "{error}");
    }
}
