//! A caller who does what the contract asks of one: repeats an upload with its request id, and
//! takes a cut stream up again where it ended.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream;
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::bulk_event::Event;
use wecomgw::grpc::pb::bulk_service_client::BulkServiceClient;
use wecomgw::grpc::pb::send_bulk_request::Part;

use crate::process::TICK;
use crate::verify::Export;

/// Items of one chunk.
const CHUNK: usize = 1000;
/// Largest message that a stream of events or outcomes has.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// A job to be.
#[derive(Clone)]
pub(crate) struct Order {
    /// What all items say that have no text of their own. Tells the job in the ledger.
    pub(crate) text: String,
    pub(crate) request_id: String,
    /// User ids, and texts of their own.
    pub(crate) items: Vec<(String, Option<String>)>,
    pub(crate) options: Option<pb::BulkOptions>,
}

impl Order {
    /// One text to a part of the crowd.
    pub(crate) fn new(text: &str, crowd: std::ops::Range<usize>) -> Self {
        Self {
            text: text.to_owned(),
            request_id: text.replace(' ', "-"),
            items: crowd.map(|number| (user(number), None)).collect(),
            options: None,
        }
    }

    fn messages(&self) -> Vec<pb::SendBulkRequest> {
        let header = pb::BulkHeader {
            app: "youxiao".to_owned(),
            request_id: self.request_id.clone(),
            content: Some(text(&self.text)),
            options: self.options,
            ..pb::BulkHeader::default()
        };
        let item = |(user_id, own): &(String, Option<String>)| pb::BulkItem {
            user_id: user_id.clone(),
            content: own.as_deref().map(text),
        };
        let chunks = self.items.chunks(CHUNK).map(|items| {
            Part::Chunk(pb::BulkChunk {
                items: items.iter().map(item).collect(),
            })
        });
        let parts = std::iter::once(Part::Header(header)).chain(chunks);
        let messages = parts.map(|part| pb::SendBulkRequest { part: Some(part) });
        messages.collect()
    }
}

/// A member of the crowd.
pub(crate) fn user(number: usize) -> String {
    format!("user{:07}", number + 1)
}

fn text(content: &str) -> pb::Content {
    let text = pb::Text {
        content: content.to_owned(),
        ..pb::Text::default()
    };
    pb::Content {
        kind: Some(pb::content::Kind::Text(text)),
    }
}

/// Clones share what they met.
#[derive(Clone)]
pub(crate) struct Caller {
    clients: Vec<BulkServiceClient<Channel>>,
    /// Which one is asked next.
    at: usize,
    /// Codes of the errors that it got over.
    pub(crate) met: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Caller {
    /// Of one gateway, or of some replicas.
    pub(crate) fn new(addresses: &[SocketAddr]) -> Self {
        let client = |address: &SocketAddr| {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            let endpoint = endpoint
                .connect_timeout(Duration::from_secs(1))
                .http2_keep_alive_interval(Duration::from_secs(5))
                .keep_alive_timeout(Duration::from_secs(2));
            BulkServiceClient::new(endpoint.connect_lazy()).max_decoding_message_size(MESSAGE_BYTES)
        };
        Self {
            clients: addresses.iter().map(client).collect(),
            at: 0,
            met: Arc::default(),
        }
    }

    fn client(&mut self) -> &mut BulkServiceClient<Channel> {
        let at = self.at % self.clients.len();
        &mut self.clients[at]
    }

    /// Gets over an error, or fails if repeating cannot help.
    async fn over(&mut self, status: &Status) {
        let code = status.code();
        let ours = matches!(
            code,
            Code::InvalidArgument | Code::AlreadyExists | Code::NotFound | Code::OutOfRange
        );
        assert!(!ours, "{status:?}");
        *self
            .met
            .lock()
            .unwrap()
            .entry(format!("{code:?}"))
            .or_default() += 1;
        self.at += 1;
        sleep(TICK).await;
    }

    /// One upload.
    pub(crate) async fn upload(&mut self, order: &Order) -> Result<pb::BulkEvent, Status> {
        let request = stream::iter(order.messages());
        let mut events = self.client().send_bulk(request).await?.into_inner();
        let first = events.message().await?;
        first.ok_or_else(|| Status::unavailable("no event"))
    }

    /// Uploads until the job is on disk; its first event.
    pub(crate) async fn submit(&mut self, order: &Order) -> pb::BulkEvent {
        loop {
            match self.upload(order).await {
                Ok(first) => return first,
                Err(status) => self.over(&status).await,
            }
        }
    }

    /// The events of a job behind a sequence.
    pub(crate) async fn watch(
        &mut self,
        job_id: &str,
        after_sequence: u64,
    ) -> Result<Streaming<pb::BulkEvent>, Status> {
        let request = pb::WatchBulkJobRequest {
            job_id: job_id.to_owned(),
            after_sequence,
        };
        Ok(self.client().watch_bulk_job(request).await?.into_inner())
    }

    /// Reads events to the end of the job, or until the stream is cut; heartbeats left out.
    async fn read_on(
        &mut self,
        job_id: &str,
        events: &mut Vec<pb::BulkEvent>,
    ) -> Result<(), Status> {
        let after = events.last().map_or(0, |event| event.sequence);
        let mut stream = self.watch(job_id, after).await?;
        while let Some(event) = stream.message().await? {
            let ended = matches!(event.event, Some(Event::Finished(_)));
            if !matches!(event.event, Some(Event::Heartbeat(_))) {
                events.push(event);
            }
            if ended {
                return Ok(());
            }
        }
        Err(Status::unavailable("cut"))
    }

    /// All events of a job, to its end.
    pub(crate) async fn follow(&mut self, job_id: &str) -> Vec<pb::BulkEvent> {
        let mut events = Vec::new();
        while let Err(status) = self.read_on(job_id, &mut events).await {
            self.over(&status).await;
        }
        events
    }

    async fn read_outcomes(
        &mut self,
        job_id: &str,
        token: &mut String,
        outcomes: &mut Vec<pb::BulkItemOutcome>,
    ) -> Result<(), Status> {
        let request = pb::ListBulkOutcomesRequest {
            job_id: job_id.to_owned(),
            resume_token: token.clone(),
            ..pb::ListBulkOutcomesRequest::default()
        };
        let mut stream = self
            .client()
            .list_bulk_outcomes(request)
            .await?
            .into_inner();
        while let Some(part) = stream.message().await? {
            outcomes.extend(part.outcomes);
            if part.resume_token.is_empty() {
                return Ok(());
            }
            *token = part.resume_token;
        }
        Err(Status::unavailable("cut"))
    }

    /// All outcomes of a job.
    pub(crate) async fn outcomes(&mut self, job_id: &str) -> Vec<pb::BulkItemOutcome> {
        let (mut token, mut outcomes) = (String::new(), Vec::new());
        while let Err(status) = self.read_outcomes(job_id, &mut token, &mut outcomes).await {
            self.over(&status).await;
        }
        outcomes
    }

    pub(crate) async fn job(&mut self, job_id: &str) -> pb::BulkJob {
        loop {
            let job_id = job_id.to_owned();
            match self
                .client()
                .get_bulk_job(pb::GetBulkJobRequest { job_id })
                .await
            {
                Ok(response) => return response.into_inner().job.unwrap(),
                Err(status) => self.over(&status).await,
            }
        }
    }

    pub(crate) async fn cancel(&mut self, job_id: &str) -> pb::BulkJob {
        loop {
            let job_id = job_id.to_owned();
            let request = pb::CancelBulkJobRequest { job_id };
            match self.client().cancel_bulk_job(request).await {
                Ok(response) => return response.into_inner().job.unwrap(),
                Err(status) => self.over(&status).await,
            }
        }
    }

    /// Follows a job to its end, and takes everything there is to know of it.
    pub(crate) async fn export(&mut self, order: &Order, job_id: &str) -> Export {
        let events = self.follow(job_id).await;
        let own = |(user_id, own): &(String, Option<String>)| {
            (
                user_id.clone(),
                own.clone().unwrap_or_else(|| order.text.clone()),
            )
        };
        Export {
            items: order.items.iter().map(own).collect(),
            outcomes: self.outcomes(job_id).await,
            events,
        }
    }

    /// Uploads a job and follows it to its end.
    pub(crate) async fn run(&mut self, order: &Order) -> Export {
        let job_id = self.submit(order).await.job_id;
        self.export(order, &job_id).await
    }
}
