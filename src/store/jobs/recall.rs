//! Taking messages back.

use super::Recalls;
use super::rows::small;
use crate::store::engine::values;
use crate::store::error::{Error, Result};
use crate::store::open::Store;

/// Failures that are told one by one.
const FAILURES: u32 = 100;

const RECALLED: i64 = 1;
const REFUSED: i64 = 2;

impl Store {
    /// Messages of a job that nobody tried to take back yet: batch and message id.
    pub async fn recallable(&self, job: &str, limit: u32) -> Result<Vec<(u32, String)>> {
        let sql = "SELECT number, message_id FROM bulk_batches
             WHERE job = $1 AND state = 2 AND message_id IS NOT NULL AND recall IS NULL
             ORDER BY number LIMIT $2";
        let mut session = self.read("recallable").await?;
        let rows: Vec<(i64, String)> = session.all(sql, &values![job, limit]).await?;
        let rows = rows.into_iter();
        rows.map(|(index, id)| Ok((small(index)?, id))).collect()
    }

    /// Writes down that the message of a batch was taken back, or the errcode of the refusal
    /// and why.
    pub async fn record_recall(
        &self,
        job: &str,
        index: u32,
        refused: Option<(i64, String)>,
    ) -> Result<()> {
        let (recall, errcode, detail) = match &refused {
            None => (RECALLED, None, None),
            Some((errcode, detail)) => (REFUSED, Some(*errcode), Some(detail.as_str())),
        };
        let sql = "UPDATE bulk_batches SET recall = $3, recall_errcode = $4, recall_detail = $5
             WHERE job = $1 AND number = $2 AND state = 2 AND message_id IS NOT NULL";
        let values = values![job, index, recall, errcode, detail];
        let mut session = self.write("record_recall").await?;
        if session.execute(sql, &values).await? == 1 {
            Ok(())
        } else {
            Err(Error::OutOfStep("taking back what was not sent"))
        }
    }

    /// How far the taking back of a job's messages has come.
    pub async fn recalls(&self, job: &str) -> Result<Recalls> {
        let mut session = self.read("recalls").await?;
        let sql = "SELECT count(CASE WHEN recall = 1 THEN 1 END),
                 count(CASE WHEN recall = 2 THEN 1 END),
                 count(CASE WHEN recall IS NULL THEN 1 END)
             FROM bulk_batches WHERE job = $1 AND state = 2 AND message_id IS NOT NULL";
        let (recalled, failed, pending) = session.one(sql, &values![job]).await?;
        let sql = "SELECT message_id, recall_errcode, recall_detail FROM bulk_batches
             WHERE job = $1 AND recall = 2 ORDER BY number LIMIT $2";
        Ok(Recalls {
            recalled: small(recalled)?,
            failed: small(failed)?,
            pending: small(pending)?,
            failures: session.all(sql, &values![job, FAILURES]).await?,
        })
    }
}
