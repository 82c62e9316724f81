//! The four promises, checked from the disk and WeCom's ledger alone.

use std::collections::{HashMap, HashSet};

use crate::bulk::job::Event;
use crate::store::{Counts, JobState, Outcome};

use super::disk::{Disk, Row};
use super::far::Far;

/// An upload that the caller was told is accepted.
pub(super) struct Upload {
    pub(super) id: String,
    pub(super) items: Vec<(String, u8)>,
}

/// The promise that is broken, if one is.
pub(super) fn check(disk: &Disk, far: &Far, uploads: &[Upload]) -> Result<(), String> {
    for upload in uploads {
        let row = disk
            .jobs
            .get(&upload.id)
            .ok_or_else(|| format!("I1: {} was accepted and is not on disk", upload.id))?;
        let outcomes = outcomes(row, upload)?;
        against_ledger(row, far, upload, &outcomes)?;
        events(row)?;
    }
    Ok(())
}

type Message = (String, u8);

/// I1: each item has one outcome, or is folded into one that has.
fn outcomes(row: &Row, upload: &Upload) -> Result<HashMap<Message, (Outcome, bool)>, String> {
    let mut by_item = HashMap::new();
    let mut outcomes = HashMap::new();
    for (items, settlement, resent) in row.settled.values() {
        let exceptions: HashMap<_, _> = settlement.exceptions.iter().copied().collect();
        for (place, index) in (0_u16..).zip(&items.indexes) {
            let outcome = *exceptions.get(&place).unwrap_or(&settlement.outcome);
            if by_item.insert(*index, outcome).is_some() {
                return Err(format!("I1: item {index} has two outcomes"));
            }
            let (user, content) = &upload.items[*index as usize];
            outcomes.insert((user.to_ascii_lowercase(), *content), (outcome, *resent));
        }
    }
    for (user, content) in &upload.items {
        if !outcomes.contains_key(&(user.to_ascii_lowercase(), *content)) {
            return Err(format!("I1: {user} has no outcome"));
        }
    }
    let all = row.job.item_count + row.job.folded_item_count;
    if all as usize != upload.items.len() || by_item.len() != row.job.item_count as usize {
        return Err("I1: the counts of items differ".to_owned());
    }
    Ok(outcomes)
}

/// I2: nobody twice. I3: ACCEPTED is what is in the ledger; UNKNOWN may be.
fn against_ledger(
    row: &Row,
    far: &Far,
    upload: &Upload,
    outcomes: &HashMap<Message, (Outcome, bool)>,
) -> Result<(), String> {
    let mut delivered: HashMap<Message, u32> = HashMap::new();
    for entry in far.ledger.iter().filter(|entry| entry.job == upload.id) {
        *delivered
            .entry((entry.user.clone(), entry.content))
            .or_default() += 1;
    }
    for (message, times) in &delivered {
        let (outcome, resent) = outcomes[message];
        if *times > 1 + u32::from(resent && row.job.resend_unknown) {
            return Err(format!("I2: {message:?} was delivered {times} times"));
        }
        if !matches!(outcome, Outcome::Accepted | Outcome::Unknown) {
            return Err(format!("I3: {message:?} was delivered and is {outcome:?}"));
        }
    }
    for (message, (outcome, _)) in outcomes {
        if *outcome == Outcome::Accepted && !delivered.contains_key(message) {
            return Err(format!("I3: {message:?} is ACCEPTED and was not delivered"));
        }
    }
    Ok(())
}

/// I4: no gap, the end is the end, and the sums are right.
fn events(row: &Row) -> Result<(), String> {
    let mut totals = Counts::default();
    let mut batches = HashSet::new();
    let mut paused = false;
    for (at, event) in row.events.iter().enumerate() {
        if event.sequence != at as u64 + 1 {
            return Err(format!("I4: event {} is at {at}", event.sequence));
        }
        let last = at + 1 == row.events.len();
        let payload: Event = serde_json::from_slice(&event.payload).map_err(|it| it.to_string())?;
        match payload {
            Event::Accepted { .. } if at == 0 => {}
            Event::BatchFinished {
                batches: finished,
                counts,
                totals: by_now,
            } => {
                for (total, count) in totals.0.iter_mut().zip(counts) {
                    *total += count;
                }
                let fresh = finished.into_iter().all(|index| batches.insert(index));
                if totals.0 != by_now || !fresh {
                    return Err("I4: the totals or batches are wrong".to_owned());
                }
            }
            Event::Paused(_) => paused = true,
            Event::Resumed if paused => paused = false,
            Event::Finished { state, totals: all } if last => {
                if all != totals.0 || state != row.job.progress.state as i16 {
                    return Err("I4: the end does not fit".to_owned());
                }
            }
            other => return Err(format!("I4: {other:?} at {at}")),
        }
    }
    let progress = &row.job.progress;
    let settled: HashSet<_> = row.settled.keys().copied().collect();
    let whole = progress.counts == totals
        && batches == settled
        && progress.last_sequence == row.events.len() as u64
        && progress.batch_count == progress.finished_batch_count
        && progress.batch_count as usize == settled.len();
    let by_state = match (totals.of(Outcome::Cancelled), totals.of(Outcome::Expired)) {
        (0, 0) => JobState::Completed,
        (0, _) => JobState::Expired,
        _ => JobState::Cancelled,
    };
    match whole && progress.state == by_state {
        true => Ok(()),
        false => Err("I4: the job and its events differ".to_owned()),
    }
}
