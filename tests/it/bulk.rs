//! BulkService over real sockets: uploads, events, outcomes, and what can go wrong with them.

use std::collections::HashSet;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tonic::Code;
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::BulkOutcome;
use wecomgw::grpc::pb::bulk_event::Event;
use wecomgw::grpc::pb::send_bulk_request::Part;
use wecomgw::sandbox::Settings;

use super::harness::{APP, SandboxHandle, World, details, example, examples, from_json, verdict};

mod command;
mod lanes;
mod replicas;
mod stable;

const SEND: &str = "message/send";

/// A sandbox with `count` members `user0000001` and on.
async fn crowd(count: u32) -> World {
    let sandbox = SandboxHandle::start_with(crowd_settings(count)).await;
    World::start_with(sandbox, "").await
}

pub(crate) fn crowd_settings(count: u32) -> Settings {
    Settings::demo("127.0.0.1:0".parse().unwrap()).with_crowd(count)
}

fn user(number: usize) -> String {
    format!("user{number:07}")
}

fn header(json: Value) -> pb::SendBulkRequest {
    from_json("SendBulkRequest", &json!({ "header": json }).to_string())
}

fn text_header(text: &str) -> pb::SendBulkRequest {
    header(json!({"app": APP, "content": {"text": {"content": text}}}))
}

fn chunk(items: Value) -> pb::SendBulkRequest {
    from_json(
        "SendBulkRequest",
        &json!({"chunk": {"items": items}}).to_string(),
    )
}

fn to_users(user_ids: impl IntoIterator<Item = String>) -> Vec<pb::SendBulkRequest> {
    let items: Vec<pb::BulkItem> = user_ids
        .into_iter()
        .map(|user_id| pb::BulkItem {
            user_id,
            content: None,
        })
        .collect();
    let chunk = |items: &[pb::BulkItem]| pb::SendBulkRequest {
        part: Some(Part::Chunk(pb::BulkChunk {
            items: items.to_vec(),
        })),
    };
    items.chunks(1000).map(chunk).collect()
}

/// A text to the first `count` of the crowd.
pub(crate) fn upload(text: &str, count: usize) -> Vec<pb::SendBulkRequest> {
    let mut upload = vec![text_header(text)];
    upload.extend(to_users((1..=count).map(user)));
    upload
}

/// All events of an upload; the job has ended.
pub(crate) async fn finish(world: &World, upload: Vec<pb::SendBulkRequest>) -> Vec<pb::BulkEvent> {
    let events = world.bulk().send_bulk(stream::iter(upload)).await.unwrap();
    let events: Vec<_> = events.into_inner().map(Result::unwrap).collect().await;
    events
        .into_iter()
        .filter(|event| !matches!(event.event, Some(Event::Heartbeat(_))))
        .collect()
}

async fn refused(world: &World, upload: Vec<pb::SendBulkRequest>) -> tonic::Status {
    match world.bulk().send_bulk(stream::iter(upload)).await {
        Ok(_) => panic!("the upload was taken"),
        Err(status) => status,
    }
}

async fn outcomes(world: &World, job_id: &str, wanted: &[BulkOutcome]) -> Vec<pb::BulkItemOutcome> {
    let request = pb::ListBulkOutcomesRequest {
        job_id: job_id.to_owned(),
        outcomes: wanted.iter().map(|outcome| *outcome as i32).collect(),
        resume_token: String::new(),
    };
    let mut parts = world
        .bulk()
        .list_bulk_outcomes(request)
        .await
        .unwrap()
        .into_inner();
    let mut all = Vec::new();
    while let Some(part) = parts.message().await.unwrap() {
        all.extend(part.outcomes);
        if part.resume_token.is_empty() {
            assert!(
                parts.message().await.unwrap().is_none(),
                "the last part is the last"
            );
            all.sort_by_key(|item| item.item_index);
            return all;
        }
    }
    panic!("the list was cut");
}

fn totals(events: &[pb::BulkEvent]) -> (pb::BulkJobState, pb::BulkCounts) {
    match events.last().unwrap().event.as_ref().unwrap() {
        Event::Finished(finished) => (finished.state(), finished.totals.unwrap()),
        other => panic!("the last event is {other:?}"),
    }
}

#[tokio::test]
async fn every_item_of_an_upload_gets_one_outcome() {
    let world = crowd(2500).await;
    let events = finish(&world, upload("the lift is out of order", 2500)).await;
    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=events.len() as u64).collect::<Vec<_>>());
    let Some(Event::Accepted(accepted)) = &events[0].event else {
        panic!("the first event is {:?}", events[0]);
    };
    assert_eq!((accepted.item_count, accepted.batch_count), (2500, 3));
    assert!(!accepted.existing);
    let (state, counts) = totals(&events);
    assert_eq!(state, pb::BulkJobState::Completed);
    assert_eq!(
        counts,
        pb::BulkCounts {
            accepted: 2500,
            ..Default::default()
        }
    );
    assert_eq!(world.sandbox.calls(SEND).await.len(), 3);
    let job_id = &events[0].job_id;
    let all = outcomes(&world, job_id, &[]).await;
    assert_eq!(all.len(), 2500);
    assert_eq!(
        (all[17].item_index, all[17].user_id.as_str()),
        (17, "user0000018")
    );
    assert!(
        all.iter()
            .all(|item| item.outcome() == BulkOutcome::Accepted)
    );
    assert!(all.iter().all(|item| !item.message_id.is_empty()));
    let request = pb::GetBulkJobRequest {
        job_id: job_id.clone(),
    };
    let job = world
        .bulk()
        .get_bulk_job(request)
        .await
        .unwrap()
        .into_inner();
    let job = job.job.unwrap();
    assert_eq!(job.state(), pb::BulkJobState::Completed);
    assert_eq!((job.pending_item_count, job.finished_batch_count), (0, 3));
    assert_eq!(job.last_sequence, events.len() as u64);
    assert!(job.started_at.is_some() && job.finished_at.is_some());
    world.stop().await;
}

#[tokio::test]
async fn the_example_shows_folding_own_contents_and_invalid_members() {
    let world = World::start().await;
    let events = finish(&world, examples("SendBulkRequest", "send_bulk")).await;
    let Some(Event::Accepted(accepted)) = &events[0].event else {
        panic!("the first event is {:?}", events[0]);
    };
    let counts = (
        accepted.item_count,
        accepted.folded_item_count,
        accepted.batch_count,
    );
    assert_eq!(counts, (4, 1, 2));
    let (_, counts) = totals(&events);
    assert_eq!((counts.accepted, counts.invalid), (3, 1));
    let all = outcomes(&world, &events[0].job_id, &[]).await;
    let brief: Vec<_> = all
        .iter()
        .map(|item| (item.item_index, item.user_id.as_str(), item.outcome()))
        .collect();
    assert_eq!(
        brief,
        [
            (0, "zhangsan", BulkOutcome::Accepted),
            (1, "LiSi", BulkOutcome::Accepted),
            (3, "gao.yuanyuan", BulkOutcome::Invalid),
            (4, "wangwu", BulkOutcome::Accepted),
        ]
    );
    let invalid = outcomes(&world, &events[0].job_id, &[BulkOutcome::Invalid]).await;
    assert_eq!(invalid.len(), 1);
    let exceptions: Vec<&str> = events
        .iter()
        .filter_map(|event| match &event.event {
            Some(Event::BatchFinished(finished)) => Some(&finished.exceptions),
            _ => None,
        })
        .flatten()
        .map(|item| item.user_id.as_str())
        .collect();
    assert_eq!(exceptions, ["gao.yuanyuan"]);
    world.stop().await;
}

#[tokio::test]
async fn the_other_examples_name_jobs_and_are_answered() {
    let world = World::start().await;
    let events = finish(&world, examples("SendBulkRequest", "send_bulk")).await;
    let job_id = events[0].job_id.clone();
    let mut bulk = world.bulk();
    let watch = pb::WatchBulkJobRequest {
        job_id: job_id.clone(),
        ..example("WatchBulkJobRequest", "watch_bulk_job")
    };
    let rest = bulk.watch_bulk_job(watch).await.unwrap().into_inner();
    let rest: Vec<_> = rest.map(Result::unwrap).collect().await;
    assert_eq!(rest, events[1..]);
    let mut get: pb::GetBulkJobRequest = example("GetBulkJobRequest", "get_bulk_job");
    get.job_id = job_id.clone();
    let job = bulk.get_bulk_job(get).await.unwrap().into_inner().job;
    let mut cancel: pb::CancelBulkJobRequest = example("CancelBulkJobRequest", "cancel_bulk_job");
    cancel.job_id = job_id.clone();
    let cancelled = bulk.cancel_bulk_job(cancel).await.unwrap().into_inner();
    assert_eq!(cancelled.job, job, "a job that has ended stays as it is");
    let list: pb::ListBulkJobsRequest = example("ListBulkJobsRequest", "list_bulk_jobs");
    let listed = bulk.list_bulk_jobs(list).await.unwrap().into_inner();
    assert!(listed.jobs.is_empty(), "none is open");
    let outcomes = pb::ListBulkOutcomesRequest {
        job_id: job_id.clone(),
        ..example("ListBulkOutcomesRequest", "list_bulk_outcomes")
    };
    let mut parts = bulk
        .list_bulk_outcomes(outcomes)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(parts.message().await.unwrap().unwrap().outcomes.len(), 1);
    let mut recall: pb::RecallBulkJobRequest = example("RecallBulkJobRequest", "recall_bulk_job");
    recall.job_id = job_id;
    let recalled = bulk
        .recall_bulk_job(recall.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(recalled.recalled_message_count, 2);
    let again = bulk.recall_bulk_job(recall).await.unwrap().into_inner();
    assert_eq!(again, recalled, "what was taken back is not tried again");
    assert_eq!(world.sandbox.calls("message/recall").await.len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn the_same_request_id_leads_to_the_same_job() {
    let world = World::start().await;
    let with_id = |text: &str| {
        vec![
            header(
                json!({"app": APP, "request_id": "wave-7", "content": {"text": {"content": text}}}),
            ),
            chunk(json!([{"user_id": "zhangsan"}, {"user_id": "lisi"}])),
        ]
    };
    let first = finish(&world, with_id("drill at ten")).await;
    // Cut into other chunks, it is the same upload.
    let mut again = with_id("drill at ten");
    again.pop();
    again.push(chunk(json!([{"user_id": "zhangsan"}])));
    again.push(chunk(json!([{"user_id": "lisi"}])));
    let again = finish(&world, again).await;
    assert_eq!(first[0].job_id, again[0].job_id);
    let Some(Event::Accepted(accepted)) = &again[0].event else {
        panic!("the first event is {:?}", again[0]);
    };
    assert!(accepted.existing);
    assert_eq!(first[1..], again[1..]);
    let status = refused(&world, with_id("drill at noon")).await;
    assert_eq!(
        verdict(&status),
        (Code::AlreadyExists, "REQUEST_ID_REUSED".into())
    );
    assert_eq!(details(&status).1["job_id"], first[0].job_id);
    assert_eq!(world.sandbox.calls(SEND).await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn bad_uploads_are_refused_with_the_place_of_the_mistake() {
    let world = World::start().await;
    let good = || chunk(json!([{"user_id": "zhangsan"}]));
    let many = || to_users((1..=1000).map(user));
    let cases: Vec<(Vec<pb::SendBulkRequest>, &[&str])> = vec![
        (vec![good()], &["header"]),
        (vec![pb::SendBulkRequest { part: None }], &["part"]),
        (vec![text_header("x")], &["items"]),
        (vec![text_header("x"), text_header("x")], &["header"]),
        (vec![text_header("x"), chunk(json!([]))], &["chunk.items"]),
        (
            vec![header(json!({"app": APP})), good()],
            &["items[0].content"],
        ),
        (
            vec![
                text_header("x"),
                chunk(json!([{"user_id": "a|b"}, {"user_id": ""}, {"user_id": "@all"}])),
            ],
            &["items[0].user_id", "items[1].user_id", "items[2].user_id"],
        ),
        (
            [
                vec![text_header("x")],
                many(),
                vec![chunk(json!([
                    {"user_id": "ok"},
                    {"user_id": "ok", "content": {"text": {"content": ""}}},
                    {"user_id": "ok", "content": {}},
                ]))],
            ]
            .concat(),
            &["items[1001].content.text.content", "items[1002].content"],
        ),
        (
            vec![
                header(json!({
                    "app": APP, "request_id": "é", "safe": 7, "translate_ids": true,
                    "content": {"markdown": {"content": "x"}},
                    "options": {"deadline": "5s", "duplicate_check": 9, "on_unknown": 9},
                })),
                good(),
            ],
            &[
                "header.safe",
                "header.options.deadline",
                "header.options.duplicate_check",
                "header.options.on_unknown",
                "header.translate_ids",
                "header.request_id",
            ],
        ),
        (
            vec![
                header(
                    json!({"app": APP, "safe": "SAFE_ON", "content": {"text": {"content": "x"}}}),
                ),
                chunk(json!([{"user_id": "a", "content": {"markdown": {"content": "x"}}}])),
            ],
            &["items[0].content"],
        ),
    ];
    for (upload, fields) in cases {
        let status = refused(&world, upload).await;
        assert_eq!(
            verdict(&status),
            (Code::InvalidArgument, "INVALID_REQUEST".into()),
            "{status:?}"
        );
        let (.., details) = details(&status);
        let violations = details.bad_request().unwrap();
        let found: Vec<&str> = violations
            .field_violations
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(found, fields, "{status:?}");
    }
    let status = refused(&world, vec![header(json!({"app": "nope"})), good()]).await;
    assert_eq!(verdict(&status), (Code::NotFound, "APP_NOT_FOUND".into()));
    assert!(world.sandbox.calls(SEND).await.is_empty());
    let jobs = world
        .bulk()
        .list_bulk_jobs(pb::ListBulkJobsRequest::default())
        .await
        .unwrap();
    assert!(jobs.into_inner().jobs.is_empty(), "nothing was accepted");
    world.stop().await;
}

#[tokio::test]
async fn over_a_thousand_items_in_a_chunk_are_refused() {
    let world = World::start().await;
    let items: Vec<Value> = (0..1001)
        .map(|number| json!({"user_id": user(number)}))
        .collect();
    let status = refused(&world, vec![text_header("x"), chunk(json!(items))]).await;
    assert_eq!(
        verdict(&status),
        (Code::InvalidArgument, "INVALID_REQUEST".into())
    );
    world.stop().await;
}

#[tokio::test]
async fn jobs_that_are_not_there_are_told_so() {
    let world = World::start().await;
    let mut bulk = world.bulk();
    for job_id in ["", "0123", "a job"] {
        let job_id = job_id.to_owned();
        let statuses = [
            bulk.get_bulk_job(pb::GetBulkJobRequest {
                job_id: job_id.clone(),
            })
            .await
            .unwrap_err(),
            bulk.cancel_bulk_job(pb::CancelBulkJobRequest {
                job_id: job_id.clone(),
            })
            .await
            .unwrap_err(),
            bulk.recall_bulk_job(pb::RecallBulkJobRequest {
                job_id: job_id.clone(),
            })
            .await
            .unwrap_err(),
            bulk.watch_bulk_job(pb::WatchBulkJobRequest {
                job_id: job_id.clone(),
                after_sequence: 0,
            })
            .await
            .unwrap_err(),
            bulk.list_bulk_outcomes(pb::ListBulkOutcomesRequest {
                job_id: job_id.clone(),
                ..Default::default()
            })
            .await
            .unwrap_err(),
        ];
        for status in statuses {
            let expected = match job_id.is_empty() {
                true => (Code::InvalidArgument, "INVALID_REQUEST".into()),
                false => (Code::NotFound, "JOB_NOT_FOUND".into()),
            };
            assert_eq!(verdict(&status), expected, "{job_id:?}");
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn bad_lists_and_sequences_are_refused() {
    let world = World::start().await;
    let events = finish(&world, examples("SendBulkRequest", "send_bulk")).await;
    let job_id = events[0].job_id.clone();
    let mut bulk = world.bulk();
    let list = |json: Value| {
        from_json::<pb::ListBulkJobsRequest>("ListBulkJobsRequest", &json.to_string())
    };
    for (json, field) in [
        (json!({"page_size": 201}), "page_size"),
        (json!({"states": [0]}), "states[0]"),
        (json!({"states": [1, 77]}), "states[1]"),
        (json!({"page_token": "zzz"}), "page_token"),
    ] {
        let status = bulk.list_bulk_jobs(list(json)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(field), "{status:?}");
    }
    let outcomes = pb::ListBulkOutcomesRequest {
        job_id: job_id.clone(),
        outcomes: vec![0, 99],
        resume_token: "?".into(),
    };
    let status = bulk.list_bulk_outcomes(outcomes).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let watch = pb::WatchBulkJobRequest {
        job_id,
        after_sequence: 99,
    };
    let status = bulk.watch_bulk_job(watch).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::OutOfRange, "SEQUENCE_OUT_OF_RANGE".into())
    );
    assert_eq!(
        details(&status).1["last_sequence"],
        events.len().to_string()
    );
    world.stop().await;
}

#[tokio::test]
async fn jobs_are_listed_newest_first_in_pages() {
    let world = World::start().await;
    let mut made = Vec::new();
    for number in 0..5 {
        let upload = vec![
            text_header(&format!("round {number}")),
            chunk(json!([{"user_id": "lisi"}])),
        ];
        made.push(finish(&world, upload).await[0].job_id.clone());
    }
    made.reverse();
    let mut listed = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListBulkJobsRequest {
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let page = world
            .bulk()
            .list_bulk_jobs(request)
            .await
            .unwrap()
            .into_inner();
        listed.extend(page.jobs.into_iter().map(|job| job.job_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, made);
    assert_eq!(listed.iter().collect::<HashSet<_>>().len(), 5);
    world.stop().await;
}
