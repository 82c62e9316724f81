//! Bytes as the stream of a bulk upload.

use std::time::Duration;

use futures_util::{FutureExt as _, stream};
use prost::Message as _;
use tokio::time::Instant;
use tonic::Status;

use crate::grpc::{convert, pb, upload};
use crate::wecom::Violation;

/// A bulk upload: messages, each behind two bytes of its length. The same items in chunks
/// of one must be the same upload.
pub fn bulk_upload(data: &[u8]) {
    let messages = messages(data);
    let Ok((count, digest)) = upload_of(messages.clone()) else {
        return;
    };
    let mut one_by_one = Vec::new();
    for message in messages {
        match message.part {
            Some(pb::send_bulk_request::Part::Chunk(chunk)) => {
                one_by_one.extend(chunk.items.into_iter().map(|item| pb::SendBulkRequest {
                    part: Some(pb::send_bulk_request::Part::Chunk(pb::BulkChunk {
                        items: vec![item],
                    })),
                }));
            }
            part => one_by_one.push(pb::SendBulkRequest { part }),
        }
    }
    assert_eq!(one_by_one.len(), count + 1, "each item is taken in once");
    let again = upload_of(one_by_one).map_err(|_| "the same items, cut otherwise, are refused");
    assert_eq!(again, Ok((count, digest)));
}

fn messages(mut data: &[u8]) -> Vec<pb::SendBulkRequest> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (message, rest) = rest.split_at(length);
        // tonic ends the stream at bytes that are no message.
        let Ok(message) = pb::SendBulkRequest::decode(message) else {
            break;
        };
        messages.push(message);
        data = rest;
    }
    messages
}

/// What SendBulk does with a stream until it is whole.
fn upload_of(messages: Vec<pb::SendBulkRequest>) -> Result<(usize, [u8; 32]), Status> {
    let take = async {
        let stream = stream::iter(messages.into_iter().map(Ok));
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut upload = upload::Upload::new(stream, deadline);
        let header = upload.header().await?;
        let (_, mut intake) = convert::bulk::header("fuzz", header).map_err(told)?;
        while let Some(chunk) = upload.chunk().await? {
            intake.chunk(chunk).map_err(told)?;
        }
        let (upload, digest) = intake.finish().map_err(told)?;
        Ok((upload.len(), digest))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a clock needs nothing of the system");
    let _entered = runtime.enter();
    take.now_or_never().expect("everything is there already")
}

fn told(violations: Vec<Violation>) -> Status {
    assert!(!violations.is_empty(), "refused without a reason");
    Status::invalid_argument("")
}
