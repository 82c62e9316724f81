//! `wecomgw bulk`: one message to very many members through a running gateway. The job is the
//! gateway's; this command uploads, watches, and can leave and come back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args};
use futures_util::stream;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use self::progress::Progress;
use super::connection::{Connection, GatewayArguments, explain};
use crate::grpc::pb;
use crate::grpc::pb::bulk_event::Event;
use crate::grpc::pb::bulk_service_client::BulkServiceClient;
use crate::grpc::pb::send_bulk_request::Part;

mod outcomes;
mod progress;

/// Items of one chunk of the upload, as many as the contract allows.
const CHUNK_ITEMS: usize = 1000;
/// Waits before a cut stream is taken up again.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Waits without any event after which the command gives up; the job does not.
const MOST_WAITS: u32 = 20;

#[derive(Args)]
#[command(group = ArgGroup::new("job").required(true).args(["recipients", "resume"]))]
#[command(group = ArgGroup::new("what").args(["text", "markdown", "content"]))]
pub(super) struct Arguments {
    #[command(flatten)]
    gateway: GatewayArguments,
    /// Name of the app; may be left out when there is only one.
    #[arg(long, default_value = "", hide_default_value = true)]
    app: String,
    /// File of user ids: one a line, or CSV whose first column has them. `-` reads standard input.
    #[arg(long, value_name = "FILE", requires = "what")]
    recipients: Option<PathBuf>,
    /// Send this plain text.
    #[arg(long)]
    text: Option<String>,
    /// Send this Markdown.
    #[arg(long)]
    markdown: Option<String>,
    /// Send what this file says: the JSON of a wecomgw.v1.Content, such as
    /// {"text":{"content":"…"}}.
    #[arg(long, value_name = "FILE")]
    content: Option<PathBuf>,
    /// Makes a repetition of the same command harmless; made up and printed when left out.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Watch this job instead of making one.
    #[arg(long, value_name = "JOB", conflicts_with = "what")]
    resume: Option<String>,
    /// Where the outcomes go, as CSV; `-` is standard output [default: bulk-JOB.csv].
    #[arg(long, value_name = "FILE")]
    outcomes: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments {
        gateway,
        app,
        recipients,
        text,
        markdown,
        content,
        request_id,
        resume,
        outcomes,
    } = arguments;
    let upload = match &recipients {
        Some(path) => {
            let request_id = request_id.unwrap_or_else(new_request_id);
            let content = what(text, markdown, content.as_deref())?;
            Some(upload(read(path)?, app, content, request_id)?)
        }
        None => None,
    };
    let connection = gateway.connect().await?;
    let mut watch = Watch {
        client: BulkServiceClient::new(connection.channel()),
        connection,
        job_id: resume.unwrap_or_default(),
        last_sequence: 0,
        progress: Progress::new(),
    };
    let finished = tokio::select! {
        finished = watch.run(upload) => finished?,
        _ = tokio::signal::ctrl_c() => {
            watch.progress.close();
            match watch.job_id.as_str() {
                "" => bail!("stopped before the job was accepted; nothing is sent"),
                job => bail!("the job goes on; watch it with: wecomgw bulk --resume {job}"),
            }
        }
    };
    let path = outcomes.unwrap_or_else(|| format!("bulk-{}.csv", watch.job_id).into());
    let written = outcomes::write(&mut watch.client, &watch.connection, &watch.job_id, &path);
    written.await?;
    conclude(&finished, &watch.job_id, &path)
}

/// A job that is watched to its end, over however many streams.
struct Watch {
    client: BulkServiceClient<tonic::transport::Channel>,
    connection: Connection,
    job_id: String,
    last_sequence: u64,
    progress: Progress,
}

impl Watch {
    async fn run(
        &mut self,
        upload: Option<Vec<pb::SendBulkRequest>>,
    ) -> anyhow::Result<pb::BulkFinished> {
        let mut wait = SHORTEST_WAIT;
        let mut waits = 0;
        loop {
            let before = self.last_sequence;
            let opened = match (&upload, self.job_id.is_empty()) {
                (Some(upload), true) => {
                    let request = self.connection.request(stream::iter(upload.clone()));
                    self.client.send_bulk(request).await
                }
                _ => {
                    let request = pb::WatchBulkJobRequest {
                        job_id: self.job_id.clone(),
                        after_sequence: self.last_sequence,
                    };
                    let request = self.connection.request(request);
                    self.client.watch_bulk_job(request).await
                }
            };
            let ended = match opened {
                Ok(events) => self.follow(events.into_inner()).await,
                Err(status) => Err(status),
            };
            match ended {
                Ok(Some(finished)) => return Ok(finished),
                Err(status) if !is_cut(&status) => {
                    self.progress.close();
                    return Err(explain(&status));
                }
                Ok(None) | Err(_) => {}
            }
            if self.last_sequence > before {
                (wait, waits) = (SHORTEST_WAIT, 0);
            }
            waits += 1;
            if waits > MOST_WAITS {
                self.progress.close();
                bail!(
                    "the gateway does not answer; the job goes on, watch it with: wecomgw bulk --resume {}",
                    self.job_id
                );
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Follows one stream; `None` when it ended before the job did.
    async fn follow(
        &mut self,
        mut events: Streaming<pb::BulkEvent>,
    ) -> Result<Option<pb::BulkFinished>, Status> {
        while let Some(event) = events.message().await? {
            self.last_sequence = event.sequence;
            if self.job_id.is_empty() {
                self.job_id = event.job_id;
                self.progress.say(&format!("job {}", self.job_id));
            }
            match event.event {
                Some(Event::Finished(finished)) => {
                    self.progress.close();
                    return Ok(Some(finished));
                }
                Some(event) => self.progress.show(event),
                None => {}
            }
        }
        Ok(None)
    }
}

/// Whether the job may well go on without us.
fn is_cut(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        // What breaks below gRPC has no reason of the gateway's.
        Code::Unknown | Code::Internal | Code::Cancelled => {
            status.get_error_details().error_info().is_none()
        }
        _ => false,
    }
}

fn conclude(finished: &pb::BulkFinished, job_id: &str, path: &Path) -> anyhow::Result<()> {
    let totals = finished.totals.unwrap_or_default();
    let state = match finished.state() {
        pb::BulkJobState::Cancelled => "was cancelled",
        pb::BulkJobState::Expired => "ended by its deadline",
        _ => "has ended",
    };
    println!("job {job_id} {state}: {}", progress::summary(&totals));
    let all = totals.accepted
        + totals.invalid
        + totals.unlicensed
        + totals.failed
        + totals.cancelled
        + totals.expired
        + totals.unknown;
    if path != Path::new("-") {
        println!("outcomes: {}", path.display());
    }
    if totals.accepted < all {
        bail!(
            "{} of {all} were not accepted by WeCom; the outcomes say why",
            all - totals.accepted
        );
    }
    Ok(())
}

fn what(
    text: Option<String>,
    markdown: Option<String>,
    file: Option<&Path>,
) -> anyhow::Result<pb::Content> {
    use pb::content::Kind;
    let kind = match (text, markdown, file) {
        (Some(content), ..) => Kind::Text(pb::Text {
            content,
            mentioned_user_ids: Vec::new(),
        }),
        (_, Some(content), _) => Kind::Markdown(pb::Markdown { content }),
        (.., Some(path)) => return from_json(path),
        _ => bail!("nothing to send; give one of --text, --markdown and --content"),
    };
    Ok(pb::Content { kind: Some(kind) })
}

/// Reads a content from protobuf's JSON.
fn from_json(path: &Path) -> anyhow::Result<pb::Content> {
    let json =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).context("the contract")?;
    let content = pool
        .get_message_by_name("wecomgw.v1.Content")
        .context("the contract lacks Content")?;
    let mut deserializer = serde_json::Deserializer::from_str(&json);
    let content = DynamicMessage::deserialize(content, &mut deserializer)
        .with_context(|| format!("{} is no wecomgw.v1.Content", path.display()))?;
    deserializer
        .end()
        .with_context(|| format!("{} holds more than one content", path.display()))?;
    Ok(pb::Content::decode(content.encode_to_vec().as_slice())?)
}

/// The first column of each line. A header such as `user_id` is no user.
fn read(path: &Path) -> anyhow::Result<Vec<String>> {
    let input: Box<dyn std::io::Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(
            std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?,
        ),
    };
    let mut lines = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(input);
    let mut user_ids = Vec::new();
    for line in lines.records() {
        let line = line.with_context(|| format!("{} cannot be read as CSV", path.display()))?;
        let user_id = line
            .get(0)
            .unwrap_or_default()
            .trim_start_matches('\u{feff}');
        let is_header = user_ids.is_empty() && matches!(user_id, "user_id" | "userid");
        if !user_id.is_empty() && !is_header {
            user_ids.push(user_id.to_owned());
        }
    }
    if user_ids.is_empty() {
        bail!("{} names nobody", path.display());
    }
    Ok(user_ids)
}

fn upload(
    user_ids: Vec<String>,
    app: String,
    content: pb::Content,
    request_id: String,
) -> anyhow::Result<Vec<pb::SendBulkRequest>> {
    eprintln!("{} recipients; request id {request_id}", user_ids.len());
    let header = pb::BulkHeader {
        app,
        request_id,
        content: Some(content),
        ..Default::default()
    };
    let part = |part| pb::SendBulkRequest { part: Some(part) };
    let mut upload = vec![part(Part::Header(header))];
    upload.extend(user_ids.chunks(CHUNK_ITEMS).map(|chunk| {
        let item = |user_id: &String| pb::BulkItem {
            user_id: user_id.clone(),
            content: None,
        };
        let items = chunk.iter().map(item).collect();
        part(Part::Chunk(pb::BulkChunk { items }))
    }));
    Ok(upload)
}

fn new_request_id() -> String {
    let chance: [u8; 12] = std::array::from_fn(|_| fastrand::u8(..));
    format!("bulk-{}", hex::encode(chance))
}
