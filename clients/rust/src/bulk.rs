//! The events of a bulk job, through every cut of the stream.

use std::sync::Arc;

use futures_util::stream;
use prost::Message as _;
use tonic::{Status, Streaming};

use crate::v1::bulk_event::Event;
use crate::v1::send_bulk_request::Part;
use crate::v1::{BulkChunk, BulkEvent, BulkHeader, BulkItem, SendBulkRequest, WatchBulkJobRequest};
use crate::{Client, GatewayError, through};

/// A chunk takes so many items.
const CHUNK_ITEMS: usize = 1000;
/// A message takes 1 MiB; half of that leaves room for any item.
const CHUNK_BYTES: usize = 512 * 1024;
/// Streams in a row that may end without news.
const TRIES: u64 = 5;

/// The events of a job: call [`BulkEvents::next`] until it gives `None`. Dropping it leaves the
/// stream and does not cancel the job.
#[derive(Debug)]
pub struct BulkEvents {
    client: Client,
    upload: Arc<[SendBulkRequest]>,
    job_id: String,
    sequence: u64,
    stream: Option<Streaming<BulkEvent>>,
    fruitless: u64,
    finished: bool,
}

impl BulkEvents {
    pub(crate) fn upload(client: Client, mut header: BulkHeader, items: Vec<BulkItem>) -> Self {
        if header.request_id.is_empty() {
            header.request_id = uuid::Uuid::new_v4().to_string();
        }
        let parts = std::iter::once(Part::Header(header)).chain(chunks(items));
        let upload = parts.map(|part| SendBulkRequest { part: Some(part) });
        Self::new(client, upload.collect(), String::new(), 0)
    }

    pub(crate) fn new(
        client: Client,
        upload: Arc<[SendBulkRequest]>,
        job_id: String,
        sequence: u64,
    ) -> Self {
        Self { client, upload, job_id, sequence, stream: None, fruitless: 0, finished: false }
    }

    /// The next event; `None` after `finished`.
    pub async fn next(&mut self) -> Result<Option<BulkEvent>, GatewayError> {
        while !self.finished {
            let cut = match self.read().await {
                Ok(Some(event)) => {
                    self.fruitless = 0;
                    if let Some(Event::Heartbeat(_)) = event.event {
                        continue;
                    }
                    self.job_id.clone_from(&event.job_id);
                    self.sequence = event.sequence;
                    self.finished = matches!(event.event, Some(Event::Finished(_)));
                    return Ok(Some(event));
                }
                Ok(None) => Status::unavailable("the stream ended before `finished`"),
                Err(status) => status,
            };
            self.stream = None;
            self.fruitless += 1;
            let error = GatewayError::from(cut);
            if !error.cut() || self.fruitless == TRIES {
                self.finished = true;
                return Err(error);
            }
            tokio::time::sleep(through::wait(self.fruitless)).await;
        }
        self.stream = None;
        Ok(None)
    }

    async fn read(&mut self) -> Result<Option<BulkEvent>, Status> {
        if self.stream.is_none() {
            self.stream = Some(self.open().await?);
        }
        match &mut self.stream {
            Some(stream) => stream.message().await,
            None => Ok(None),
        }
    }

    async fn open(&self) -> Result<Streaming<BulkEvent>, Status> {
        let mut stub = self.client.bulk();
        let answer = if self.job_id.is_empty() && !self.upload.is_empty() {
            let upload = Arc::clone(&self.upload);
            let requests = (0..upload.len()).map(move |index| upload[index].clone());
            stub.send_bulk(stream::iter(requests)).await?
        } else {
            let request =
                WatchBulkJobRequest { job_id: self.job_id.clone(), after_sequence: self.sequence };
            stub.watch_bulk_job(request).await?
        };
        Ok(answer.into_inner())
    }
}

fn chunks(items: Vec<BulkItem>) -> Vec<Part> {
    let (mut chunks, mut size) = (Vec::<BulkChunk>::new(), 0);
    for item in items {
        size += item.encoded_len();
        match chunks.last_mut() {
            Some(chunk) if chunk.items.len() < CHUNK_ITEMS && size <= CHUNK_BYTES => {
                chunk.items.push(item);
            }
            _ => {
                size = item.encoded_len();
                chunks.push(BulkChunk { items: vec![item] });
            }
        }
    }
    chunks.into_iter().map(Part::Chunk).collect()
}
