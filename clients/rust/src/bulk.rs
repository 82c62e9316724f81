//! The events of a bulk job, through every cut of the stream.

use std::sync::Arc;

use futures_util::stream;
use prost::Message as _;
use tonic::{Status, Streaming};

use crate::v1::bulk_event::Event;
use crate::v1::send_bulk_request::Part;
use crate::v1::{BulkChunk, BulkEvent, BulkHeader, BulkItem, SendBulkRequest, WatchBulkJobRequest};
use crate::{Client, GatewayError, calls};

/// A chunk takes so many items.
const CHUNK_ITEMS: usize = 1000;
/// A message takes 1 MiB; half of that leaves room for any item.
const CHUNK_BYTES: usize = 512 * 1024;
/// Streams in a row that may end without news.
const TRIES: i32 = 5;

impl Client {
    /// Uploads items and gives the events of their job, each once, through every cut. Leaving
    /// does not cancel the job.
    pub fn send_bulk(&self, mut header: BulkHeader, items: Vec<BulkItem>) -> BulkEvents {
        calls::identified(&mut header.request_id);
        let parts = std::iter::once(Part::Header(header)).chain(chunks(items));
        let upload = parts.map(|part| SendBulkRequest { part: Some(part) });
        BulkEvents::new(self, upload.collect())
    }

    /// Gives the events of a job behind a sequence, each once, through every cut.
    pub fn watch_bulk(&self, job_id: impl Into<String>, after_sequence: u64) -> BulkEvents {
        let mut events = BulkEvents::new(self, [].into());
        events.watch.job_id = job_id.into();
        events.watch.after_sequence = after_sequence;
        events
    }
}

/// The events of a job: call [`BulkEvents::next`] until it gives `None`. Dropping it leaves the
/// stream and does not cancel the job.
#[derive(Debug)]
pub struct BulkEvents {
    client: Client,
    upload: Arc<[SendBulkRequest]>,
    /// Where to go on.
    watch: WatchBulkJobRequest,
    stream: Option<Streaming<BulkEvent>>,
    fruitless: i32,
    finished: bool,
}

impl BulkEvents {
    fn new(client: &Client, upload: Arc<[SendBulkRequest]>) -> Self {
        Self {
            client: client.clone(),
            upload,
            watch: WatchBulkJobRequest::default(),
            stream: None,
            fruitless: 0,
            finished: false,
        }
    }

    /// The next event; `None` after `finished`.
    pub async fn next(&mut self) -> Result<Option<BulkEvent>, GatewayError> {
        while !self.finished {
            let error: GatewayError = match self.read().await {
                Ok(Some(event)) => {
                    self.fruitless = 0;
                    if let Some(Event::Heartbeat(_)) = event.event {
                        continue;
                    }
                    self.watch.job_id.clone_from(&event.job_id);
                    self.watch.after_sequence = event.sequence;
                    self.finished = matches!(event.event, Some(Event::Finished(_)));
                    return Ok(Some(event));
                }
                Ok(None) => Status::unavailable("the stream ended before `finished`").into(),
                Err(error) => error,
            };
            self.stream = None;
            self.fruitless += 1;
            if !error.cut() || self.fruitless == TRIES {
                self.finished = true;
                return Err(error);
            }
            tokio::time::sleep(calls::wait(self.fruitless)).await;
        }
        self.stream = None;
        Ok(None)
    }

    async fn read(&mut self) -> Result<Option<BulkEvent>, GatewayError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let bulk = self.client.bulk();
                let answer = if self.watch.job_id.is_empty() && !self.upload.is_empty() {
                    let upload = Arc::clone(&self.upload);
                    let requests = (0..upload.len()).map(move |index| upload[index].clone());
                    bulk.send_bulk(stream::iter(requests)).await?
                } else {
                    bulk.watch_bulk_job(self.watch.clone()).await?
                };
                self.stream.insert(answer.into_inner())
            }
        };
        Ok(stream.message().await?)
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
