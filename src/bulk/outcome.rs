//! The final outcomes of items, read back from their batches.

use futures_util::stream::{self, Stream};

use super::engine::Engine;
use super::error::Result;
use crate::store::{Job, Outcome, SettledBatch};

/// Outcomes in one part.
const PART_ITEMS: usize = 1000;
/// Batches read at once: many of one item make one part.
const PART_BATCHES: u32 = 50;

/// The final outcome of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemOutcome {
    /// Its place in the upload.
    pub item_index: u32,
    /// As uploaded.
    pub user_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// WeCom's code, 0 when it gave none.
    pub errcode: i64,
    /// Why, for a human.
    pub detail: String,
    /// WeCom's id of the message, if it was accepted.
    pub message_id: String,
    /// What an update of the card takes, if it was accepted.
    pub response_code: String,
    /// When it became final.
    pub settled_at_ms: i64,
}

/// A part of the outcomes of a job.
#[derive(Debug)]
pub struct Part {
    /// Outcomes, at most 1000.
    pub outcomes: Vec<ItemOutcome>,
    /// The last batch in it; `None` in the last part.
    pub behind: Option<u32>,
}

/// The outcomes of the items of `batch`.
pub(super) fn of(batch: SettledBatch) -> impl Iterator<Item = ItemOutcome> {
    let SettledBatch {
        items, settlement, ..
    } = batch;
    let mut exceptions = settlement.exceptions.into_iter().peekable();
    let user_ids: Vec<String> = items.user_ids().map(str::to_owned).collect();
    let places = items.indexes.into_iter().zip(user_ids);
    places
        .zip(0u16..)
        .map(move |((item_index, user_id), place)| {
            let exception = exceptions.next_if(|(at, _)| *at == place);
            let outcome = exception.map_or(settlement.outcome, |(_, outcome)| outcome);
            let accepted = outcome == Outcome::Accepted;
            let if_accepted = |value: &Option<String>| match accepted {
                true => value.clone().unwrap_or_default(),
                false => String::new(),
            };
            // What is said of a batch is said of the outcome that its items share.
            let shared = exception.is_none();
            ItemOutcome {
                item_index,
                user_id,
                outcome,
                errcode: if shared { settlement.errcode } else { 0 },
                detail: match shared {
                    true => settlement.detail.clone(),
                    false => String::new(),
                },
                message_id: if_accepted(&settlement.message_id),
                response_code: if_accepted(&settlement.response_code),
                settled_at_ms: settlement.at_ms,
            }
        })
}

impl Engine {
    /// The outcomes of a job behind a batch, in parts; only those in `wanted`, unless it is empty.
    pub fn outcomes(
        &self,
        job: &Job,
        behind: Option<u32>,
        wanted: Vec<Outcome>,
    ) -> impl Stream<Item = Result<Part>> + Send + use<> {
        let reader = Reader {
            engine: self.clone(),
            job_id: job.id.clone(),
            behind,
            wanted,
            ended: false,
        };
        stream::try_unfold(reader, |mut reader| async move {
            Ok(reader.next().await?.map(|part| (part, reader)))
        })
    }
}

struct Reader {
    engine: Engine,
    job_id: String,
    behind: Option<u32>,
    wanted: Vec<Outcome>,
    ended: bool,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Part>> {
        if self.ended {
            return Ok(None);
        }
        let mut outcomes = Vec::new();
        loop {
            let store = self.engine.store();
            let batches = store
                .settled_after(&self.job_id, self.behind, PART_BATCHES)
                .await?;
            if batches.is_empty() {
                self.ended = true;
                return Ok(Some(Part {
                    outcomes,
                    behind: None,
                }));
            }
            for batch in batches {
                let index = batch.index;
                if outcomes.len() + batch.items.indexes.len() > PART_ITEMS && !outcomes.is_empty() {
                    return Ok(Some(Part {
                        outcomes,
                        behind: self.behind,
                    }));
                }
                let wanted = |item: &ItemOutcome| {
                    self.wanted.is_empty() || self.wanted.contains(&item.outcome)
                };
                outcomes.extend(of(batch).filter(wanted));
                self.behind = Some(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Items, Settlement};

    #[test]
    fn exceptions_have_their_own_outcome_and_no_message() {
        let batch = SettledBatch {
            index: 3,
            items: Items {
                user_ids: "a|B|c".into(),
                indexes: vec![7, 9, 12],
            },
            settlement: Settlement {
                outcome: Outcome::Accepted,
                errcode: 0,
                detail: String::new(),
                exceptions: vec![(1, Outcome::Invalid)],
                message_id: Some("m1".into()),
                response_code: None,
                at_ms: 5,
            },
        };
        let outcomes: Vec<ItemOutcome> = of(batch).collect();
        let brief: Vec<_> = outcomes
            .iter()
            .map(|item| {
                let ItemOutcome {
                    item_index,
                    user_id,
                    outcome,
                    message_id,
                    ..
                } = item;
                (*item_index, user_id.as_str(), *outcome, message_id.as_str())
            })
            .collect();
        assert_eq!(
            brief,
            [
                (7, "a", Outcome::Accepted, "m1"),
                (9, "B", Outcome::Invalid, ""),
                (12, "c", Outcome::Accepted, "m1"),
            ]
        );
    }
}
