//! Rows of BulkService. `$mine` stands for a job of the tests' caller, `$others` for one of another.

use serde_json::{Value, json};
use tonic::Code;

use super::{Row, a, bad, not_found, over, refused};
use crate::harness::APP;

fn header(fields: Value) -> Value {
    let header = json!({"app": APP, "content": {"text": {"content": "Noon"}}});
    json!({"header": over(header, fields)})
}

fn chunk(items: Value) -> Value {
    json!({"chunk": {"items": items}})
}

/// `count` items of the same content of their own.
fn own(count: usize, content: &Value) -> Value {
    let item = json!({"user_id": "lisi", "content": content});
    chunk(vec![item; count].into())
}

#[rustfmt::skip] // a table
pub(super) fn rows() -> Vec<Row> {
    let good = || chunk(json!([{"user_id": "lisi"}]));
    let options = |options: Value| header(json!({"options": options}));
    let text = json!({"text": {"content": "x"}});
    let mut rows = vec![
        // The order of the messages.
        bad("SendBulk", json!([]), &["header"]),
        bad("SendBulk", json!([{}]), &["part"]),
        bad("SendBulk", json!([good()]), &["header"]),
        bad("SendBulk", json!([header(json!({}))]), &["items"]),
        bad("SendBulk", json!([header(json!({})), header(json!({}))]), &["header"]),
        bad("SendBulk", json!([header(json!({})), good(), {}]), &["part"]),
        bad("SendBulk", json!([header(json!({})), good(), header(json!({}))]), &["header"]),
        // The header.
        not_found("SendBulk", json!([header(json!({"app": "nobody"})), good()])),
        bad("SendBulk", json!([header(json!({"request_id": a(129)})), good()]), &["header.request_id"]),
        bad("SendBulk", json!([header(json!({"request_id": a(256)})), good()]), &["header.request_id"]),
        bad("SendBulk", json!([header(json!({"request_id": "订单"})), good()]), &["header.request_id"]),
        bad("SendBulk", json!([header(json!({"content": {}})), good()]), &["header.content"]),
        bad("SendBulk", json!([header(json!({"content": {"text": {"content": a(2049)}}})), good()]), &["header.content.text.content"]),
        bad("SendBulk", json!([header(json!({"safe": 9})), good()]), &["header.safe"]),
        bad("SendBulk", json!([header(json!({"content": {"markdown": {"content": "x"}}, "safe": "SAFE_ON", "translate_ids": true})), good()]), &["header.safe", "header.translate_ids"]),
        bad("SendBulk", json!([options(json!({"deadline": "59s"})), good()]), &["header.options.deadline"]),
        bad("SendBulk", json!([options(json!({"deadline": "-60s"})), good()]), &["header.options.deadline"]),
        bad("SendBulk", json!([options(json!({"deadline": "259200.000000001s"})), good()]), &["header.options.deadline"]),
        bad("SendBulk", json!([options(json!({"duplicate_check": 9, "on_unknown": 9})), good()]), &["header.options.duplicate_check", "header.options.on_unknown"]),
        // The items.
        bad("SendBulk", json!([header(json!({})), chunk(json!([]))]), &["chunk.items"]),
        bad("SendBulk", json!([header(json!({})), chunk(vec![json!({"user_id": "lisi"}); 1001].into())]), &["chunk.items"]),
        bad("SendBulk", json!([header(json!({})), good(), chunk(json!([{"user_id": ""}, {"user_id": "a|b"}, {"user_id": "@all"}, {"user_id": a(65)}]))]), &["items[1].user_id", "items[2].user_id", "items[3].user_id", "items[4].user_id"]),
        bad("SendBulk", json!([header(json!({})), chunk(json!([{"user_id": a(1 << 19)}]))]), &["items[0].user_id"]),
        bad("SendBulk", json!([header(json!({"content": null})), good()]), &["items[0].content"]),
        bad("SendBulk", json!([header(json!({})), chunk(json!([{"user_id": "lisi", "content": {}}]))]), &["items[0].content"]),
        bad("SendBulk", json!([header(json!({})), chunk(json!([{"user_id": "lisi", "content": {"text": {}}}]))]), &["items[0].content.text.content"]),
        bad("SendBulk", json!([header(json!({"safe": "SAFE_ON"})), chunk(json!([{"user_id": "lisi", "content": {"markdown": {"content": "x"}}}]))]), &["items[0].content"]),
        refused("SendBulk", json!([header(json!({})), chunk(json!([{"user_id": a(1 << 20)}]))]), Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        // What an upload may hold in all.
        bad("SendBulk", json!([header(json!({})), own(1000, &text)]), &["items[100000].content"]).times(101),
        bad("SendBulk", json!([header(json!({})), own(400, &json!({"text": {"content": a(2040)}}))]), &["items[32800].content"]).times(83),
        bad("SendBulk", json!([header(json!({})), chunk(vec![json!({"user_id": "lisi"}); 1000].into())]), &["items"]).times(1001),
        // Jobs.
        bad("ListBulkJobs", json!({"page_size": 201}), &["page_size"]),
        bad("ListBulkJobs", json!({"states": [0]}), &["states[0]"]),
        bad("ListBulkJobs", json!({"states": [1, 77]}), &["states[1]"]),
        bad("ListBulkJobs", json!({"page_token": "zzz"}), &["page_token"]),
        not_found("ListBulkJobs", json!({"app": "nobody"})),
        bad("ListBulkOutcomes", json!({"job_id": "$mine", "outcomes": [0, 99], "resume_token": "?"}), &["outcomes[0]", "outcomes[1]", "resume_token"]),
        refused("WatchBulkJob", json!({"job_id": "$mine", "after_sequence": 99}), Code::OutOfRange, "SEQUENCE_OUT_OF_RANGE"),
        refused("WatchBulkJob", json!({"job_id": "$mine", "after_sequence": u64::MAX.to_string()}), Code::OutOfRange, "SEQUENCE_OUT_OF_RANGE"),
    ];
    for rpc in ["GetBulkJob", "CancelBulkJob", "RecallBulkJob", "WatchBulkJob", "ListBulkOutcomes"] {
        rows.push(bad(rpc, json!({}), &["job_id"]));
        for job_id in ["$others", "0123", "a job", "' OR '1'='1", "a\u{0}b", &a(1 << 19)] {
            rows.push(refused(rpc, json!({"job_id": job_id}), Code::NotFound, "JOB_NOT_FOUND"));
        }
    }
    rows
}
