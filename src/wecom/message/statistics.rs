//! How much the corp's applications sent: message/get_statistics.
//!
//! WeCom's list of calls no longer names it; whether it is still offered is not
//! confirmed. Source, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/92369>

use serde::{Deserialize, Serialize, Serializer};

use crate::wecom::call::{Call, Payload, Repeat};

/// One call of message/get_statistics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GetStatistics {
    /// Which day is counted.
    #[serde(rename = "time_type")]
    pub day: Day,
}

/// A day of the corp's calendar (Asia/Shanghai).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Day {
    /// 0
    #[default]
    Today = 0,
    /// 1
    Yesterday = 1,
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

/// WeCom's counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Statistics {
    /// One entry for each application.
    #[serde(rename = "statistics")]
    pub apps: Vec<AppStatistics>,
}

/// What one application sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppStatistics {
    /// Id of the application.
    #[serde(rename = "agentid")]
    pub agent_id: u32,
    /// Its name.
    #[serde(default)]
    pub app_name: String,
    /// Messages, counted once for each recipient.
    pub count: u64,
}

impl Call for GetStatistics {
    const PATH: &'static str = "message/get_statistics";
    type Reply = Statistics;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        Payload::json(self)
    }
}
