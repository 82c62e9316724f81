//! The stream of an upload: one header, then chunks, each in time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::{pb, status};
use crate::wecom::media::{CHUNK_MAX_BYTES, Incoming, Received};
use crate::wecom::{self, Client, Violation};

/// Longest silence of a client that has more to say.
const IDLE: Duration = Duration::from_secs(30);
/// Largest message of an upload: a chunk, its field's number and its length.
pub const UPLOAD_DECODE_LIMIT_BYTES: usize = CHUNK_MAX_BYTES + 4;

/// A message of an upload.
pub(super) trait Message {
    /// What comes first.
    type Header;
    /// What comes after it.
    type Chunk;
    /// Path of the call that it leads to.
    const PATH: &'static str;

    fn part(self) -> Option<Part<Self::Header, Self::Chunk>>;
}

/// What a message of an upload brings.
pub(super) enum Part<H, C> {
    Header(H),
    Chunk(C),
}

impl Message for pb::UploadMediaRequest {
    type Header = pb::UploadMediaHeader;
    type Chunk = Bytes;
    const PATH: &'static str = "media/upload";

    fn part(self) -> Option<Part<Self::Header, Self::Chunk>> {
        use pb::upload_media_request::Part as Its;
        Some(match self.part? {
            Its::Header(header) => Part::Header(header),
            Its::Chunk(chunk) => Part::Chunk(chunk),
        })
    }
}

impl Message for pb::UploadImageRequest {
    type Header = pb::UploadImageHeader;
    type Chunk = Bytes;
    const PATH: &'static str = "media/uploadimg";

    fn part(self) -> Option<Part<Self::Header, Self::Chunk>> {
        use pb::upload_image_request::Part as Its;
        Some(match self.part? {
            Its::Header(header) => Part::Header(header),
            Its::Chunk(chunk) => Part::Chunk(chunk),
        })
    }
}

impl Message for pb::SendBulkRequest {
    type Header = pb::BulkHeader;
    type Chunk = pb::BulkChunk;
    const PATH: &'static str = "message/send";

    fn part(self) -> Option<Part<Self::Header, Self::Chunk>> {
        use pb::send_bulk_request::Part as Its;
        Some(match self.part? {
            Its::Header(header) => Part::Header(header),
            Its::Chunk(chunk) => Part::Chunk(chunk),
        })
    }
}

/// An upload under way.
pub(super) struct Upload<S> {
    messages: S,
    deadline: Instant,
}

impl<M: Message, S: Stream<Item = Result<M, Status>> + Unpin> Upload<S> {
    pub(super) fn new(messages: S, deadline: Instant) -> Self {
        Self { messages, deadline }
    }

    /// What the file is said to be.
    pub(super) async fn header(&mut self) -> Result<M::Header, Status> {
        match self.next().await? {
            Some(Part::Header(header)) => Ok(header),
            Some(Part::Chunk(_)) | None => Err(broken("header", "required in the first message")),
        }
    }

    /// A place among the uploads that are received at once.
    pub(super) async fn place(
        &self,
        places: &Arc<Semaphore>,
    ) -> Result<OwnedSemaphorePermit, Status> {
        match timeout_at(self.deadline, places.clone().acquire_owned()).await {
            Ok(place) => place.map_err(|_| status::internal("uploads are closed")),
            Err(_) => Err(late::<M>()),
        }
    }

    /// The next chunk; `None` when the caller has closed its side.
    pub(super) async fn chunk(&mut self) -> Result<Option<M::Chunk>, Status> {
        match self.next().await? {
            None => Ok(None),
            Some(Part::Chunk(chunk)) => Ok(Some(chunk)),
            Some(Part::Header(_)) => Err(broken("header", "allowed in the first message only")),
        }
    }

    /// The next message; `None` when the caller has closed its side.
    async fn next(&mut self) -> Result<Option<Part<M::Header, M::Chunk>>, Status> {
        let idle = Instant::now() + IDLE;
        match timeout_at(idle.min(self.deadline), self.messages.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(message))) => match message.part() {
                Some(part) => Ok(Some(part)),
                None => Err(broken("part", "required: the header or a chunk")),
            },
            Ok(Some(Err(status))) => Err(status),
            Err(_) if idle <= self.deadline => Err(status::upload_idle(IDLE)),
            Err(_) => Err(late::<M>()),
        }
    }
}

impl<M: Message<Chunk = Bytes>, S: Stream<Item = Result<M, Status>> + Unpin> Upload<S> {
    /// The whole file.
    pub(super) async fn receive(
        &mut self,
        client: &Client,
        incoming: Incoming,
    ) -> Result<Received, Status> {
        let told = |error| status::wecom(&error);
        let mut intake = client.receive(incoming).await.map_err(told)?;
        while let Some(chunk) = self.chunk().await? {
            intake.push(chunk).await.map_err(told)?;
        }
        intake.finish().map_err(told)
    }
}

fn broken(field: &str, description: &str) -> Status {
    status::invalid(vec![Violation::new(field, description)])
}

fn late<M: Message>() -> Status {
    status::wecom(&wecom::Error::Deadline {
        path: M::PATH,
        sent: false,
    })
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tonic::Code;
    use tonic_types::StatusExt as _;

    use super::*;

    type Item = Result<pb::UploadMediaRequest, Status>;

    fn header() -> Item {
        let header = pb::UploadMediaHeader::default();
        Ok(pb::UploadMediaRequest {
            part: Some(pb::upload_media_request::Part::Header(header)),
        })
    }

    fn verdict(status: &Status) -> (Code, String) {
        let details = status.get_error_details();
        let info = details.error_info().expect("an ErrorInfo");
        (status.code(), info.reason.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_be_silent_for_thirty_seconds_and_no_longer() {
        let slow = stream::iter([29, 29, 31]).then(|seconds| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            header()
        });
        let deadline = Instant::now() + Duration::from_secs(300);
        let mut upload = Upload::new(Box::pin(slow), deadline);
        assert!(upload.header().await.is_ok() && upload.header().await.is_ok());
        let status = upload.header().await.unwrap_err();
        let expected = (Code::DeadlineExceeded, "UPLOAD_IDLE".to_owned());
        assert_eq!(verdict(&status), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_bounds_the_whole() {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut upload = Upload::new(stream::pending::<Item>(), deadline);
        let status = upload.header().await.unwrap_err();
        let expected = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned());
        assert_eq!(verdict(&status), expected);

        let none = Arc::new(Semaphore::new(0));
        let deadline = Instant::now() + Duration::from_secs(10);
        let upload = Upload::new(stream::pending::<Item>(), deadline);
        assert_eq!(verdict(&upload.place(&none).await.unwrap_err()), expected);
    }

    #[test]
    fn the_largest_chunk_fits_and_one_byte_more_does_not() {
        use prost::Message as _;
        let size = |bytes: usize| {
            let chunk = Bytes::from(vec![0; bytes]);
            pb::UploadMediaRequest {
                part: Some(pb::upload_media_request::Part::Chunk(chunk)),
            }
            .encoded_len()
        };
        assert_eq!(size(CHUNK_MAX_BYTES), UPLOAD_DECODE_LIMIT_BYTES);
        assert_eq!(size(CHUNK_MAX_BYTES + 1), UPLOAD_DECODE_LIMIT_BYTES + 1);
    }
}
