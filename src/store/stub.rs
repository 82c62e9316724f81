#![allow(missing_docs, unused, clippy::all)]
use super::*;
impl Store {
    pub async fn next_job_number(&self, app: &str) -> Result<u64> {
        todo!()
    }
    pub async fn find_upload(&self, c: &str, r: &str) -> Result<Option<(JobId, [u8; 32])>> {
        todo!()
    }
    pub async fn create_job(&self, j: NewJob, now_ms: i64) -> Result<Create> {
        todo!()
    }
    pub async fn job(&self, c: Option<&str>, id: &str) -> Result<Option<Job>> {
        todo!()
    }
    pub async fn jobs(&self, c: &str, f: &Filter) -> Result<Vec<Job>> {
        todo!()
    }
    pub async fn request_cancel(&self, c: &str, id: &str, now: i64) -> Result<Option<Job>> {
        todo!()
    }
    pub async fn acquire_lane(&self, a: &str, h: &str, now: i64) -> Result<Option<Lease>> {
        todo!()
    }
    pub async fn renew_lane(&self, a: &str, t: i64, now: i64) -> Result<Option<i64>> {
        todo!()
    }
    pub async fn release_lane(&self, a: &str, t: i64) -> Result<()> {
        todo!()
    }
    pub async fn open_jobs(&self, a: &str) -> Result<Vec<(JobId, bool)>> {
        todo!()
    }
    pub async fn open_job(&self, a: &str) -> Result<Option<OpenJob>> {
        todo!()
    }
    pub async fn load_lane(&self, a: &str) -> Result<Vec<OpenJob>> {
        todo!()
    }
    pub async fn commit(&self, a: &str, t: i64, c: &Changes, now: i64) -> Result<Committed> {
        todo!()
    }
    pub async fn events(&self, a: &str, after: u64, limit: u32) -> Result<Vec<Event>> {
        todo!()
    }
    pub async fn settled(&self, a: &str, i: &[u32]) -> Result<Vec<SettledBatch>> {
        todo!()
    }
    pub async fn settled_after(
        &self,
        a: &str,
        i: Option<u32>,
        limit: u32,
    ) -> Result<Vec<SettledBatch>> {
        todo!()
    }
    pub async fn recallable(&self, a: &str, limit: u32) -> Result<Vec<(u32, String)>> {
        todo!()
    }
    pub async fn record_recall(&self, a: &str, i: u32, r: Option<(i64, String)>) -> Result<()> {
        todo!()
    }
    pub async fn expire_jobs(&self, n: i64) -> Result<u64> {
        todo!()
    }
    pub fn is_shared(&self) -> bool {
        false
    }
    pub async fn token(&self, k: &str) -> Result<Option<SharedToken>> {
        todo!()
    }
    pub async fn lease_refresh(&self, k: &str, h: &str, l: std::time::Duration) -> Result<bool> {
        todo!()
    }
    pub async fn put_token(&self, k: &str, s: &[u8], e: i64) -> Result<()> {
        todo!()
    }
    pub async fn recalls(&self, a: &str) -> Result<Recalls> {
        todo!()
    }
}

pub struct SharedToken {
    pub sealed: Vec<u8>,
}
