//! The bytes of a batch: WeCom recognises a repetition by them alone, so they may not change under
//! a job that lies on disk.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use sha2::Digest as _;
use wecomgw::grpc::pb;
use wecomgw::store::{
    Batch, BatchState, Changes, Filter, Items, NewBatch, NewJob, Settings, Store,
};

use super::super::harness::{APP, World};
use super::{SEND, crowd, finish, header, to_users, totals, upload, user};

/// A body for each example of a send.
const GOLDEN: &str = "tests/fixtures/bulk";
/// How a body begins, which is not stored with it.
const OPENING: &[u8] = br#"{"touser":""#;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}

/// Media that need no upload: its id is another each time.
fn by_media_id(value: &mut Value) {
    match value {
        Value::Object(map) if map.contains_key("inline") => *value = json!({"media_id": "MEDIA"}),
        Value::Object(map) => map.values_mut().for_each(by_media_id),
        Value::Array(items) => items.iter_mut().for_each(by_media_id),
        _ => {}
    }
}

/// The examples of SendMessage, by name.
fn contents() -> Vec<(String, Value)> {
    let files = std::fs::read_dir("examples").unwrap();
    let names: BTreeSet<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("send_"))
        .collect();
    let content = |name: String| {
        let text = std::fs::read_to_string(format!("examples/{name}")).unwrap();
        let example: Value = serde_json::from_str(&text).ok()?;
        example.get("recipients")?;
        let mut content = example["content"].clone();
        by_media_id(&mut content);
        Some((name, content))
    };
    names.into_iter().filter_map(content).collect()
}

#[tokio::test]
async fn each_kind_of_message_goes_out_as_its_golden_bytes() {
    let world = crowd(1).await;
    let mut different = Vec::new();
    let contents = contents();
    assert_eq!(contents.len(), 16, "twelve kinds, one of them of five");
    for (number, (name, content)) in contents.iter().enumerate() {
        let mut job = vec![header(json!({"app": APP, "content": content}))];
        job.extend(to_users([user(1)]));
        finish(&world, job).await;
        let golden = std::fs::read(Path::new(GOLDEN).join(name)).unwrap_or_default();
        let calls = world.sandbox.calls(SEND).await;
        if calls[number]["sha256"] != sha256(golden.trim_ascii_end()) {
            different.push(name);
        }
    }
    assert!(
        different.is_empty(),
        "the rendering of {different:?} differs from {GOLDEN}: jobs of the release before are not \
         hurt, since their bytes are stored, but is the change meant?"
    );
    world.stop().await;
}

/// A job as another release left it while its batch was under way: the bytes say the same as ours
/// would, and this release would never render them.
#[tokio::test]
async fn a_batch_of_another_release_is_repeated_as_its_stored_bytes() {
    const REST: &[u8] = br#"",  "text" : {"content":"evacuate"}, "duplicate_check_interval":14100,
        "enable_duplicate_check":1, "safe":0, "msgtype":"text", "agentid":1000002 }"#;
    let world = crowd(2).await;
    finish(&world, upload("before", 1)).await;
    let url = format!("sqlite:{}", world.database().display());
    let (sandbox, folder) = world.stop().await;
    let store = Store::open(&Settings { url }).await.unwrap();
    let filter = Filter {
        limit: 1,
        ..Filter::default()
    };
    let before = store.jobs(None, &filter).await.unwrap().remove(0);
    let now_ms = before.progress.finished_at_ms.unwrap();
    let job = NewJob {
        id: "left".into(),
        app: APP.into(),
        caller: before.caller,
        request_id: None,
        request_sha256: [1; 32],
        item_count: 1,
        folded_item_count: 0,
        accepted_at_ms: now_ms,
        deadline_ms: now_ms + 3_600_000,
        window_seconds: Some(14_100),
        resend_unknown: false,
        contents: vec![REST.to_vec()],
        batches: vec![NewBatch {
            content: 0,
            items: Items {
                user_ids: user(2),
                indexes: vec![0],
            },
        }],
        accepted_event: br#"{"Accepted":{"item_count":1,"folded_item_count":0,"batch_count":1,"deadline_ms":0}}"#.to_vec(),
    };
    store.create_job(job, now_ms).await.unwrap();
    let lease = store.acquire_lane(APP, "before", now_ms).await.unwrap();
    let sending = Batch {
        index: 0,
        origin: 0,
        item_count: 1,
        state: BatchState::Sending { since_ms: now_ms },
        attempts: 0,
        interruptions: 0,
        resent: false,
        doubt_since_ms: None,
    };
    let claim = Changes {
        claims: vec![("left".into(), sending)],
        ..Changes::default()
    };
    let term = lease.unwrap().term;
    store.commit(APP, term, &claim, now_ms).await.unwrap();
    store.close().await;
    drop(store);

    let world = World::start_in(sandbox, "", folder).await;
    let watch = pb::WatchBulkJobRequest {
        job_id: "left".into(),
        ..pb::WatchBulkJobRequest::default()
    };
    let events = world.bulk().watch_bulk_job(watch).await.unwrap();
    let events: Vec<_> = events.into_inner().map(Result::unwrap).collect().await;
    assert_eq!(totals(&events).1.accepted, 1);
    let calls = world.sandbox.calls(SEND).await;
    let bytes = [OPENING, user(2).as_bytes(), REST].concat();
    assert_eq!(calls.len(), 2, "one of the job before");
    assert_eq!(calls[1]["sha256"], sha256(&bytes));
    world.stop().await;
}
