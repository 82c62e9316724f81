//! What happens while a job runs: cancels, faults of WeCom, restarts, leavers.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::BulkOutcome;
use wecomgw::grpc::pb::bulk_event::Event;

use super::super::harness::{APP, SandboxHandle, World};
use super::{SEND, crowd, finish, header, outcomes, text_header, to_users, totals, upload, user};

/// The sandbox's calls of message/send that took effect, and how often each member got one.
pub(super) async fn deliveries(
    sandbox: &SandboxHandle,
) -> std::collections::HashMap<String, usize> {
    let mut deliveries = std::collections::HashMap::new();
    for message in sandbox.messages().await {
        for user in message["delivered_to"].as_array().unwrap() {
            *deliveries
                .entry(user.as_str().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    deliveries
}

#[tokio::test]
async fn lost_replies_are_sent_again_as_the_same_bytes_and_reach_nobody_twice() {
    let world = crowd(1500).await;
    world
        .sandbox
        .fault(SEND, json!({"kind": "reset_after"}), 1)
        .await;
    let (_, counts) = totals(&finish(&world, upload("fire drill", 1500)).await);
    assert_eq!(counts.accepted, 1500);
    let calls = world.sandbox.calls(SEND).await;
    assert_eq!(calls.len(), 3);
    let bodies: std::collections::HashSet<_> = calls
        .iter()
        .map(|call| call["sha256"].as_str().unwrap())
        .collect();
    assert_eq!(bodies.len(), 2, "the third is one of the first two again");
    let deliveries = deliveries(&world.sandbox).await;
    assert_eq!(deliveries.len(), 1500);
    assert!(deliveries.values().all(|times| *times == 1));
    world.stop().await;
}

#[tokio::test]
async fn without_the_duplicate_check_a_lost_reply_is_unknown() {
    let world = crowd(10).await;
    world
        .sandbox
        .fault(SEND, json!({"kind": "reset_after"}), 1)
        .await;
    let mut upload = vec![header(json!({
        "app": APP,
        "content": {"text": {"content": "no check"}},
        "options": {"duplicate_check": "BULK_DUPLICATE_CHECK_OFF"},
    }))];
    upload.extend(to_users((1..=10).map(user)));
    let events = finish(&world, upload).await;
    assert_eq!(totals(&events).1.unknown, 10);
    assert_eq!(world.sandbox.calls(SEND).await.len(), 1);
    let all = outcomes(&world, &events[0].job_id, &[BulkOutcome::Unknown]).await;
    assert!(
        all.iter()
            .all(|item| !item.detail.is_empty() && item.message_id.is_empty())
    );
    world.stop().await;
}

#[tokio::test]
async fn a_refused_message_fails_with_wecoms_code() {
    let world = crowd(5).await;
    world
        .sandbox
        .fault(SEND, json!({"kind": "errcode", "code": 40058}), 1)
        .await;
    let events = finish(&world, upload("refused", 5)).await;
    assert_eq!(totals(&events).1.failed, 5);
    let all = outcomes(&world, &events[0].job_id, &[]).await;
    assert!(all.iter().all(|item| item.errcode == 40058));
    world.stop().await;
}

#[tokio::test]
async fn a_cancelled_job_sends_no_more() {
    let world = crowd(9000).await;
    let latency = json!({"kind": "latency_ms", "latency_ms": 300});
    world.sandbox.fault(SEND, latency, 100).await;
    let mut events = world
        .bulk()
        .send_bulk(stream::iter(upload("stop me", 9000)))
        .await
        .unwrap()
        .into_inner();
    let first = events.message().await.unwrap().unwrap();
    let cancel = pb::CancelBulkJobRequest {
        job_id: first.job_id.clone(),
    };
    let job = world
        .bulk()
        .cancel_bulk_job(cancel.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(job.job.unwrap().cancel_requested_at.is_some());
    let rest: Vec<_> = events.map(Result::unwrap).collect().await;
    let (state, counts) = totals(&rest);
    assert_eq!(state, pb::BulkJobState::Cancelled);
    assert!(counts.cancelled >= 4000, "{counts:?}");
    assert_eq!(counts.cancelled + counts.accepted, 9000);
    let sent = world.sandbox.calls(SEND).await.len();
    assert_eq!(u32::try_from(sent).unwrap() * 1000, counts.accepted);
    world.bulk().cancel_bulk_job(cancel).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_job_goes_on_where_the_last_process_left_it() {
    let world = crowd(6000).await;
    let latency = json!({"kind": "latency_ms", "latency_ms": 200});
    world.sandbox.fault(SEND, latency, 100).await;
    let mut events = world
        .bulk()
        .send_bulk(stream::iter(upload("across a restart", 6000)))
        .await
        .unwrap()
        .into_inner();
    let mut seen = vec![events.message().await.unwrap().unwrap()];
    let job_id = seen[0].job_id.clone();
    let (sandbox, folder) = world.stop().await;
    // The stream ends with the sequence to go on from.
    let cut = loop {
        match events.message().await {
            Ok(Some(event)) => seen.push(event),
            Ok(None) => panic!("the stream ended as if the job had"),
            Err(status) => break status,
        }
    };
    assert_eq!(cut.code(), tonic::Code::Unavailable);
    let world = World::start_in(sandbox, "", folder).await;
    let watch = pb::WatchBulkJobRequest {
        job_id,
        after_sequence: seen.last().unwrap().sequence,
    };
    let rest = world
        .bulk()
        .watch_bulk_job(watch)
        .await
        .unwrap()
        .into_inner();
    seen.extend(rest.map(Result::unwrap).collect::<Vec<_>>().await);
    let sequences: Vec<u64> = seen.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=seen.len() as u64).collect::<Vec<_>>());
    assert_eq!(totals(&seen).1.accepted, 6000);
    let deliveries = deliveries(&world.sandbox).await;
    assert_eq!(deliveries.len(), 6000);
    assert!(deliveries.values().all(|times| *times == 1));
    world.stop().await;
}

#[tokio::test]
async fn a_frequency_limit_pauses_the_job_and_says_until_when() {
    let world = crowd(3).await;
    world
        .sandbox
        .fault(SEND, json!({"kind": "errcode", "code": 45009}), 1)
        .await;
    let mut events = world
        .bulk()
        .send_bulk(stream::iter(upload("too fast", 3)))
        .await
        .unwrap()
        .into_inner();
    let paused = loop {
        if let Some(Event::Paused(paused)) = events.message().await.unwrap().unwrap().event {
            break paused;
        }
    };
    assert_eq!(paused.reason(), pb::BulkPauseReason::RateLimited);
    assert_eq!(paused.errcode, 45009);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let wait = u64::try_from(paused.until.unwrap().seconds)
        .unwrap()
        .saturating_sub(now);
    assert!((50..=61).contains(&wait), "{wait} s");
    let jobs = world
        .bulk()
        .list_bulk_jobs(pb::ListBulkJobsRequest::default())
        .await
        .unwrap();
    let job = jobs.into_inner().jobs.remove(0);
    assert_eq!(job.state(), pb::BulkJobState::Paused);
    assert_eq!(job.paused, Some(paused));
    world.stop().await;
}

#[tokio::test]
async fn a_batch_that_a_recipient_may_have_spoilt_is_halved() {
    let world = crowd(64).await;
    // 64, then 2 of 32 and 4 of 16 members are refused; 8 of 8 are taken.
    let fault = json!({"kind": "errcode", "code": 40003});
    world.sandbox.fault(SEND, fault, 7).await;
    let events = finish(&world, upload("one of you is not", 64)).await;
    assert_eq!(totals(&events).1.accepted, 64);
    assert_eq!(world.sandbox.calls(SEND).await.len(), 15);
    let deliveries = deliveries(&world.sandbox).await;
    assert!(deliveries.len() == 64 && deliveries.values().all(|times| *times == 1));
    world.stop().await;
}

#[tokio::test]
async fn a_member_named_often_is_paced_and_holds_nobody_up() {
    let world = crowd(1000).await;
    let mut upload = vec![text_header("to all")];
    let own: Vec<_> = (0..40)
        .map(|number| json!({"user_id": "lisi", "content": {"text": {"content": format!("note {number}")}}}))
        .collect();
    upload.push(super::chunk(json!(own)));
    upload.extend(to_users((1..=1000).map(user)));
    let mut events = world
        .bulk()
        .send_bulk(stream::iter(upload))
        .await
        .unwrap()
        .into_inner();
    let mut accepted = 0;
    while accepted < 1025 {
        let event = tokio::time::timeout(Duration::from_secs(30), events.message()).await;
        if let Some(Event::BatchFinished(finished)) = event.unwrap().unwrap().unwrap().event {
            accepted = finished.totals.unwrap().accepted;
        }
    }
    assert_eq!(
        accepted, 1025,
        "25 of the 40 in the first minute, and everyone else"
    );
    let dropped: usize = world
        .sandbox
        .messages()
        .await
        .iter()
        .map(|message| message["dropped"].as_array().unwrap().len())
        .sum();
    assert_eq!(dropped, 0);
    world.stop().await;
}
