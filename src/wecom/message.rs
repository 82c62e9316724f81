//! stub
#![allow(missing_docs)]
use super::content::*;
use super::violation::Violation;
use serde::Deserialize;
#[derive(Default)]
pub struct Recipients {
    pub user_ids: Vec<String>,
    pub department_ids: Vec<u32>,
    pub tag_ids: Vec<u32>,
    pub everyone: bool,
}
pub struct DuplicateCheck {
    pub enabled: bool,
    pub interval_seconds: Option<u32>,
}
pub struct Send {
    pub recipients: Recipients,
    pub content: Content,
    pub duplicate_check: Option<DuplicateCheck>,
}
impl Send {
    pub fn check(&self) -> Vec<Violation> {
        vec![]
    }
    pub fn body(&self, _: u32, _: TaskCardName) -> Result<Vec<u8>, serde_json::Error> {
        Ok(vec![])
    }
}
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Sent {
    pub message_id: String,
    pub invalid_user_ids: Vec<String>,
    pub invalid_department_ids: Vec<u32>,
    pub invalid_tag_ids: Vec<u32>,
    pub unlicensed_user_ids: Vec<String>,
    pub response_code: String,
}
impl Sent {
    pub fn in_the_spelling_of(&mut self, _: &Recipients) {}
}
