//! stub
#![allow(missing_docs)]
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub url: String,
}
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct Error;
pub const REQUEST_ID_LIFE: std::time::Duration = std::time::Duration::from_secs(86400);
pub struct Attempt {
    pub body: Vec<u8>,
    pub first_attempt_at_ms: i64,
    pub window_seconds: u32,
}
pub enum Begin {
    New,
    Resume(Attempt),
    Unsent,
    Done(Vec<u8>),
    Mismatch,
}
#[derive(Clone)]
pub struct Store;
impl Store {
    pub async fn open(_: &Settings) -> Result<Self, Error> {
        Ok(Store)
    }
    pub async fn begin(&self, _: &str, _: &str, _: [u8; 32], _: i64) -> Result<Begin, Error> {
        Ok(Begin::New)
    }
    pub async fn intend(&self, _: &str, _: &str, _: &[u8], _: u32, _: i64) -> Result<(), Error> {
        Ok(())
    }
    pub async fn finish(&self, _: &str, _: &str, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }
    pub async fn release(&self, _: &str, _: &str) -> Result<(), Error> {
        Ok(())
    }
    pub async fn expire(&self, _: i64) -> Result<u64, Error> {
        Ok(0)
    }
    pub async fn close(&self) {}
}
