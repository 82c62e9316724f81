//! The outcomes of a job as CSV.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use tonic::Code;
use tonic::transport::Channel;

use crate::cli::connection::{Connection, explain};
use crate::grpc::pb;
use crate::grpc::pb::bulk_service_client::BulkServiceClient;

/// Streams that may be cut before the command gives up.
const MOST_CUTS: u32 = 20;

/// Writes the outcome of every item to `path`.
pub(super) async fn write(
    client: &mut BulkServiceClient<Channel>,
    connection: &Connection,
    job_id: &str,
    path: &Path,
) -> anyhow::Result<()> {
    let output: Box<dyn Write> = match path.to_str() {
        Some("-") => Box::new(std::io::stdout()),
        _ => Box::new(
            std::fs::File::create(path)
                .with_context(|| format!("cannot write {}", path.display()))?,
        ),
    };
    let mut rows = csv::Writer::from_writer(output);
    let cannot = || format!("cannot write {}", path.display());
    rows.write_record([
        "item_index",
        "user_id",
        "outcome",
        "errcode",
        "message_id",
        "detail",
    ])
    .with_context(cannot)?;
    let mut resume_token = String::new();
    for _ in 0..MOST_CUTS {
        let request = pb::ListBulkOutcomesRequest {
            job_id: job_id.to_owned(),
            resume_token: resume_token.clone(),
            ..Default::default()
        };
        let parts = client.list_bulk_outcomes(connection.request(request)).await;
        let mut parts = parts.map_err(|status| explain(&status))?.into_inner();
        loop {
            let part = match parts.message().await {
                Ok(Some(part)) => part,
                Ok(None) => break,
                Err(status) if status.code() == Code::Unavailable => break,
                Err(status) => return Err(explain(&status)),
            };
            for item in &part.outcomes {
                row(&mut rows, item).with_context(cannot)?;
            }
            resume_token.clone_from(&part.resume_token);
            if resume_token.is_empty() {
                return rows.flush().with_context(cannot);
            }
        }
    }
    anyhow::bail!(
        "the list of outcomes was cut again and again; wecomgw bulk --resume {job_id} writes it anew"
    )
}

fn row<W: Write>(rows: &mut csv::Writer<W>, item: &pb::BulkItemOutcome) -> csv::Result<()> {
    let outcome = item.outcome().as_str_name();
    rows.write_record([
        item.item_index.to_string().as_str(),
        &item.user_id,
        outcome.trim_start_matches("BULK_OUTCOME_"),
        &item.errcode.to_string(),
        &item.message_id,
        &item.detail,
    ])
}
