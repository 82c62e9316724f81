//! MediaService: takes files in and gives them out, piece by piece.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming};

use super::caller::Callers;
use super::upload::Upload;
use super::{convert, pb, status};
use crate::wecom::media::Download;

/// Uploads received at once; further ones wait unread, held back by HTTP/2's flow
/// control. So many files of 20 MiB take 1.25 GiB on disk, and so many chunks of 1 MiB
/// 64 MiB of memory.
const UPLOADS_MOST: usize = 64;
/// Longest piece of a file given out.
const CHUNK_BYTES: usize = 256 * 1024;

/// The adapter of MediaService.
pub struct MediaService {
    callers: Callers,
    uploads: Arc<Semaphore>,
}

impl MediaService {
    /// For these callers.
    pub fn new(callers: Callers) -> Self {
        Self {
            callers,
            uploads: Arc::new(Semaphore::new(UPLOADS_MOST)),
        }
    }
}

#[tonic::async_trait]
impl pb::media_service_server::MediaService for MediaService {
    type DownloadMediaStream = BoxStream<'static, Result<pb::DownloadMediaResponse, Status>>;

    async fn upload_media(
        &self,
        request: Request<Streaming<pb::UploadMediaRequest>>,
    ) -> Result<Response<pb::UploadMediaResponse>, Status> {
        let caller = self
            .callers
            .admit_transfer(&request, "MediaService/UploadMedia")?;
        let mut upload = Upload::new(request.into_inner(), caller.deadline);
        let header = upload.header().await?;
        let client = caller.app(&header.app)?;
        let incoming = convert::media::media(header).map_err(status::invalid)?;
        let _place = upload.place(&self.uploads).await?;
        let received = upload.receive(&client, incoming).await?;
        let (uploaded, reused) = client
            .upload_media(received, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(convert::media::uploaded(&uploaded, reused)))
    }

    async fn upload_image(
        &self,
        request: Request<Streaming<pb::UploadImageRequest>>,
    ) -> Result<Response<pb::UploadImageResponse>, Status> {
        let caller = self
            .callers
            .admit_transfer(&request, "MediaService/UploadImage")?;
        let mut upload = Upload::new(request.into_inner(), caller.deadline);
        let header = upload.header().await?;
        let client = caller.app(&header.app)?;
        let incoming = convert::media::picture(header).map_err(status::invalid)?;
        let _place = upload.place(&self.uploads).await?;
        let received = upload.receive(&client, incoming).await?;
        let url = client
            .upload_picture(received, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(pb::UploadImageResponse { url }))
    }

    async fn download_media(
        &self,
        request: Request<pb::DownloadMediaRequest>,
    ) -> Result<Response<Self::DownloadMediaStream>, Status> {
        let caller = self
            .callers
            .admit_transfer(&request, "MediaService/DownloadMedia")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let get = convert::media::get(request).map_err(status::invalid)?;
        let download = client
            .download(&get, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(parts(download)))
    }
}

/// The description, then the bytes as they come.
fn parts(download: Download) -> BoxStream<'static, Result<pb::DownloadMediaResponse, Status>> {
    use pb::download_media_response::Part;
    let part = |part| pb::DownloadMediaResponse { part: Some(part) };
    let info = part(Part::Info(convert::media::info(&download)));
    let chunks = stream::try_unfold((download, Bytes::new()), move |state| async move {
        let (mut download, mut rest) = state;
        while rest.is_empty() {
            let next = download.chunk().await;
            match next.map_err(|error| status::wecom(&error))? {
                Some(chunk) => rest = chunk,
                None => return Ok(None),
            }
        }
        let chunk = rest.split_to(CHUNK_BYTES.min(rest.len()));
        Ok(Some((part(Part::Chunk(chunk)), (download, rest))))
    });
    stream::once(async { Ok(info) }).chain(chunks).boxed()
}
