//! BulkService: takes uploads, shows what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::caller::{Admitted, Callers};
use super::pb::ErrorReason;
use super::upload::Upload;
use super::{convert, pb, status};
use crate::bulk::{self, Engine, Sight};
use crate::store::Job;
use crate::wecom::Violation;

/// Uploads received at once; further ones wait unread. Each has its items in memory: a million
/// take some 40 MiB.
const UPLOADS_MOST: usize = 16;

/// Largest message of an upload: 1 MiB holds 1000 items of the longest user ids many times.
pub const BULK_DECODE_LIMIT_BYTES: usize = 1024 * 1024;
/// How long accepting an upload may take once it is whole: its media go to WeCom, its items to
/// the disk.
const ACCEPTING: Duration = Duration::from_secs(60);

/// The adapter of BulkService.
pub struct BulkService {
    callers: Callers,
    engine: Engine,
    uploads: Arc<Semaphore>,
    closing: CancellationToken,
}

impl BulkService {
    /// For these callers; streams end at `closing`.
    pub fn new(callers: Callers, engine: Engine, closing: CancellationToken) -> Self {
        Self {
            callers,
            engine,
            uploads: Arc::new(Semaphore::new(UPLOADS_MOST)),
            closing,
        }
    }

    /// The job of a caller.
    async fn job(&self, caller: &Admitted, job_id: &str) -> Result<Job, Status> {
        caller.note_job(required(job_id)?);
        let job = self.engine.job(caller.name(), required(job_id)?).await;
        job.map_err(|error| status::bulk(&error))
    }

    /// The events of a job behind a sequence, as long as the stream may live.
    fn events(
        &self,
        caller: &Admitted,
        job: &Job,
        after: u64,
        existing: bool,
    ) -> Result<Events, Status> {
        let sights = self.engine.watch_events(job, after);
        let sights = sights.map_err(|error| status::bulk(&error))?.boxed();
        let watch = Watch {
            sights,
            job_id: job.id.clone(),
            last_sequence: after,
            existing,
            closing: self.closing.clone(),
            deadline: caller.deadline,
            is_our_limit: caller.is_our_limit,
            ended: false,
        };
        Ok(Box::pin(stream::unfold(watch, |mut watch| async move {
            watch.next().await.map(|event| (event, watch))
        })))
    }
}

#[tonic::async_trait]
impl pb::bulk_service_server::BulkService for BulkService {
    type SendBulkStream = Events;
    type WatchBulkJobStream = Events;
    type ListBulkOutcomesStream = BoxStream<'static, Result<pb::ListBulkOutcomesResponse, Status>>;

    async fn send_bulk(
        &self,
        request: Request<Streaming<pb::SendBulkRequest>>,
    ) -> Result<Response<Self::SendBulkStream>, Status> {
        let caller = self
            .callers
            .admit_stream(&request, "BulkService/SendBulk")?;
        let mut messages = Upload::new(request.into_inner(), caller.deadline);
        let header = messages.header().await?;
        let client = caller.app(&header.app)?;
        let (order, mut intake) =
            convert::bulk::header(caller.name(), header).map_err(status::invalid)?;
        let place = messages.place(&self.uploads).await?;
        while let Some(chunk) = messages.chunk().await? {
            intake.chunk(chunk).map_err(status::invalid)?;
        }
        let (upload, digest) = intake.finish().map_err(status::invalid)?;
        let accepting_until = caller.deadline.min(Instant::now() + ACCEPTING);
        let submitted = self
            .engine
            .submit(&client, order, digest, upload, accepting_until)
            .await
            .map_err(|error| status::bulk(&error))?;
        drop(place);
        let job = self.job(&caller, &submitted.job_id).await?;
        let events = self.events(&caller, &job, 0, submitted.existing)?;
        Ok(Response::new(events))
    }

    async fn watch_bulk_job(
        &self,
        request: Request<pb::WatchBulkJobRequest>,
    ) -> Result<Response<Self::WatchBulkJobStream>, Status> {
        let caller = self
            .callers
            .admit_stream(&request, "BulkService/WatchBulkJob")?;
        let request = request.into_inner();
        let job = self.job(&caller, &request.job_id).await?;
        let events = self.events(&caller, &job, request.after_sequence, false)?;
        Ok(Response::new(events))
    }

    async fn get_bulk_job(
        &self,
        request: Request<pb::GetBulkJobRequest>,
    ) -> Result<Response<pb::GetBulkJobResponse>, Status> {
        let caller = self.callers.admit(&request, "BulkService/GetBulkJob")?;
        let job = self.job(&caller, &request.get_ref().job_id).await?;
        Ok(Response::new(pb::GetBulkJobResponse {
            job: Some(convert::bulk::job(job)),
        }))
    }

    async fn list_bulk_jobs(
        &self,
        request: Request<pb::ListBulkJobsRequest>,
    ) -> Result<Response<pb::ListBulkJobsResponse>, Status> {
        let caller = self.callers.admit(&request, "BulkService/ListBulkJobs")?;
        let request = request.into_inner();
        let apps = match request.app.as_str() {
            "" => Vec::new(),
            app => vec![caller.app(app)?.name().to_owned()],
        };
        let filter = convert::bulk::filter(request, apps).map_err(status::invalid)?;
        let jobs = self.engine.jobs(caller.name(), &filter).await;
        let jobs = jobs.map_err(|error| status::bulk(&error))?;
        Ok(Response::new(convert::bulk::jobs(jobs, filter.limit)))
    }

    async fn cancel_bulk_job(
        &self,
        request: Request<pb::CancelBulkJobRequest>,
    ) -> Result<Response<pb::CancelBulkJobResponse>, Status> {
        let caller = self.callers.admit(&request, "BulkService/CancelBulkJob")?;
        let job_id = required(&request.get_ref().job_id)?;
        caller.note_job(job_id);
        let job = self.engine.cancel(caller.name(), job_id).await;
        let job = job.map_err(|error| status::bulk(&error))?;
        Ok(Response::new(pb::CancelBulkJobResponse {
            job: Some(convert::bulk::job(job)),
        }))
    }

    async fn recall_bulk_job(
        &self,
        request: Request<pb::RecallBulkJobRequest>,
    ) -> Result<Response<pb::RecallBulkJobResponse>, Status> {
        let caller = self.callers.admit(&request, "BulkService/RecallBulkJob")?;
        let job = self.job(&caller, &request.get_ref().job_id).await?;
        let client = caller.app(&job.app)?;
        let recalls = self.engine.recall(&client, &job, caller.deadline).await;
        let recalls = recalls.map_err(|error| status::bulk(&error))?;
        Ok(Response::new(convert::bulk::recalls(recalls)))
    }

    async fn list_bulk_outcomes(
        &self,
        request: Request<pb::ListBulkOutcomesRequest>,
    ) -> Result<Response<Self::ListBulkOutcomesStream>, Status> {
        let caller = self
            .callers
            .admit_stream(&request, "BulkService/ListBulkOutcomes")?;
        let request = request.into_inner();
        let job = self.job(&caller, &request.job_id).await?;
        let (wanted, behind) = convert::bulk::wanted(&request).map_err(status::invalid)?;
        let pending = job.item_count - job.progress.counts.total();
        let parts = self.engine.outcomes(&job, behind, wanted);
        let parts = parts.map(move |part| {
            part.map(|part| convert::bulk::outcomes(part, pending))
                .map_err(|error| status::bulk(&error))
        });
        let parts = parts.take_until(self.closing.clone().cancelled_owned());
        Ok(Response::new(parts.boxed()))
    }
}

fn required(job_id: &str) -> Result<&str, Status> {
    match job_id {
        "" => Err(status::invalid(vec![Violation::new("job_id", "required")])),
        some => Ok(some),
    }
}

/// The events of a job as they go to a caller.
type Events = BoxStream<'static, Result<pb::BulkEvent, Status>>;

struct Watch {
    sights: BoxStream<'static, bulk::Result<Sight>>,
    job_id: String,
    last_sequence: u64,
    /// Whether the first event says that the job was there before.
    existing: bool,
    closing: CancellationToken,
    deadline: Instant,
    is_our_limit: bool,
    ended: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<pb::BulkEvent, Status>> {
        if self.ended {
            return None;
        }
        let sight = tokio::select! {
            biased;
            () = self.closing.cancelled() => Err(self.cut(ErrorReason::ShuttingDown)),
            () = sleep_until(self.deadline) => Err(match self.is_our_limit {
                true => self.cut(ErrorReason::StreamLifetimeReached),
                false => status::deadline(),
            }),
            sight = self.sights.next() => sight?.map_err(|error| status::bulk(&error)),
        };
        self.ended = sight.is_err();
        Some(sight.map(|sight| {
            self.last_sequence = sight.sequence;
            convert::bulk::event(&self.job_id, sight, self.existing)
        }))
    }

    fn cut(&self, reason: ErrorReason) -> Status {
        status::events_cut(reason, self.last_sequence)
    }
}
