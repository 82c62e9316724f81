//! message/get_statistics (查询应用消息发送统计).
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/92369> (read 2026-02).
//! The page is gone from the menu of WeCom's documentation.

use serde_json::{Map, Value, json};

use super::fields_of;
use crate::sandbox::answer::{Answer, Refusal, Verdict};
use crate::sandbox::api::fields::number;
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;

/// Values of time_type.
const TODAY: i64 = 0;
const YESTERDAY: i64 = 1;

pub(super) fn get_statistics(corp: &mut Corp, _app: usize, call: &Call) -> Answer {
    count(corp, call).unwrap_or_else(Answer::from)
}

/// Every app of the corp, whichever asks. A message counts once per recipient.
fn count(corp: &mut Corp, call: &Call) -> Verdict<Answer> {
    let time_type = number(&fields_of(call)?, "time_type");
    if !(TODAY..=YESTERDAY).contains(&time_type) {
        return Err(Refusal::bad("time_type out of range."));
    }
    let day = corp.clock.day();
    let pace = &mut corp.pace;
    let apps = corp.apps.iter().enumerate().map(|(place, app)| {
        let (today, yesterday) = pace.sent(place, day);
        let count = if time_type == TODAY { today } else { yesterday };
        json!({"agentid": app.agent_id, "app_name": app.name, "count": count})
    });
    let statistics: Value = apps.collect();
    Ok(Answer::ok(Map::from_iter([(
        "statistics".into(),
        statistics,
    )])))
}
