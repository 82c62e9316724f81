//! The four invariants of delivery, checked from the witness' ledger and a job's export.
//!
//! - I1: each accepted item has exactly one final outcome.
//! - I2: nobody is delivered the same message twice.
//! - I3: ACCEPTED is in the ledger and what is in the ledger is ACCEPTED; UNKNOWN may be either.
//! - I4: events are gap-free and ascending, and their totals equal the outcomes.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::BulkOutcome as Outcome;
use wecomgw::grpc::pb::bulk_event::Event;

/// Breaches of one kind that are told; one bug makes thousands.
const TOLD: usize = 5;

/// One message/send, as the ledger file has it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Line {
    pub(crate) unix_ms: u64,
    pub(crate) sha256: String,
    pub(crate) errcode: Option<i64>,
    pub(crate) fault: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) delivered: Vec<String>,
    pub(crate) dropped: Vec<String>,
    pub(crate) unlicensed: Vec<String>,
    pub(crate) invalid: Vec<String>,
}

/// What a caller has of a job that ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Export {
    /// User id and text of each item, as uploaded.
    pub(crate) items: Vec<(String, String)>,
    pub(crate) outcomes: Vec<pb::BulkItemOutcome>,
    pub(crate) events: Vec<pb::BulkEvent>,
}

/// Everything that is wrong with a job; empty when it is right.
pub(crate) fn breaches(job: &Export, ledger: &[Line]) -> Vec<String> {
    let mut found = Found::default();
    let expected = folded(&job.items);
    let outcomes = one_outcome_each(job, &expected, &mut found);
    let seen = delivered_once(&expected, ledger, &mut found);
    as_delivered(job, &outcomes, &seen, &mut found);
    in_order(&job.events, &mut found);
    add_up(job, expected.len(), &mut found);
    found.into_lines()
}

#[derive(Default)]
struct Found(BTreeMap<&'static str, Vec<String>>);

impl Found {
    fn add(&mut self, rule: &'static str, what: String) {
        self.0.entry(rule).or_default().push(what);
    }

    fn into_lines(self) -> Vec<String> {
        let rules = self.0.into_iter();
        rules
            .flat_map(|(rule, all)| {
                let more = all.len().saturating_sub(TOLD);
                let told = all.into_iter().take(TOLD);
                let told = told.map(move |what| format!("{rule}: {what}"));
                told.chain((more > 0).then(|| format!("{rule}: and {more} more")))
            })
            .collect()
    }
}

/// Who and what, as WeCom compares user ids.
type Key = (String, String);

fn key(user_id: &str, text: &str) -> Key {
    (user_id.to_ascii_lowercase(), text.to_owned())
}

/// The items that get an outcome: of equal ones the first.
fn folded(items: &[(String, String)]) -> HashMap<u32, Key> {
    let mut met = HashSet::new();
    let items = (0u32..).zip(items);
    items
        .map(|(index, (user_id, text))| (index, key(user_id, text)))
        .filter(|(_, key)| met.insert(key.clone()))
        .collect()
}

fn one_outcome_each(
    job: &Export,
    expected: &HashMap<u32, Key>,
    found: &mut Found,
) -> HashMap<Key, Outcome> {
    let mut outcomes = HashMap::new();
    for item in &job.outcomes {
        let Some(key) = expected.get(&item.item_index) else {
            found.add("I1", format!("item {} was not uploaded", item.item_index));
            continue;
        };
        if key.0 != item.user_id.to_ascii_lowercase() {
            let (index, user_id) = (item.item_index, &item.user_id);
            found.add("I1", format!("item {index} is {}, not {user_id}", key.0));
        }
        let outcome = item.outcome();
        if outcome == Outcome::Unspecified {
            found.add("I1", format!("item {} has no outcome", item.item_index));
        }
        if let Some(other) = outcomes.insert(key.clone(), outcome) {
            let index = item.item_index;
            found.add("I1", format!("item {index} is {outcome:?} and {other:?}"));
        }
    }
    for (index, key) in expected {
        if !outcomes.contains_key(key) {
            found.add("I1", format!("item {index}, {}, has no outcome", key.0));
        }
    }
    outcomes
}

/// How the witness saw the recipients of the job.
#[derive(Default)]
struct Seen {
    delivered: HashSet<Key>,
    invalid: HashSet<Key>,
    unlicensed: HashSet<Key>,
}

fn delivered_once(expected: &HashMap<u32, Key>, ledger: &[Line], found: &mut Found) -> Seen {
    let texts: HashSet<&str> = expected.values().map(|(_, text)| text.as_str()).collect();
    let mut seen = Seen::default();
    for line in ledger {
        let Some(text) = line.text.as_deref().filter(|text| texts.contains(text)) else {
            continue;
        };
        for user_id in line.delivered.iter().chain(&line.dropped) {
            if !seen.delivered.insert(key(user_id, text)) {
                found.add("I2", format!("{user_id} got {text:?} twice"));
            }
        }
        for user_id in &line.dropped {
            found.add("I3", format!("{text:?} to {user_id} was dropped silently"));
        }
        let keys = |ids: &[String]| -> Vec<Key> { ids.iter().map(|id| key(id, text)).collect() };
        seen.invalid.extend(keys(&line.invalid));
        seen.unlicensed.extend(keys(&line.unlicensed));
    }
    seen
}

fn as_delivered(job: &Export, outcomes: &HashMap<Key, Outcome>, seen: &Seen, found: &mut Found) {
    for (key, outcome) in outcomes {
        let delivered = seen.delivered.contains(key);
        let right = match outcome {
            Outcome::Accepted => delivered,
            Outcome::Unknown => true,
            // 81013 takes nobody, and the ledger lists nobody then.
            Outcome::Invalid => !delivered,
            Outcome::Unlicensed => seen.unlicensed.contains(key),
            _ => !delivered && !seen.invalid.contains(key) && !seen.unlicensed.contains(key),
        };
        if !right {
            let told = if delivered {
                "delivered"
            } else {
                "not delivered"
            };
            found.add("I3", format!("{} is {outcome:?}, but was {told}", key.0));
        }
    }
    let strangers = seen
        .delivered
        .iter()
        .filter(|key| !outcomes.contains_key(*key));
    for (user_id, _) in strangers.take(TOLD) {
        let items = job.items.len();
        found.add(
            "I3",
            format!("{user_id} got it, and is none of the {items} items"),
        );
    }
}

fn in_order(events: &[pb::BulkEvent], found: &mut Found) {
    for (place, event) in (1u64..).zip(events) {
        if event.sequence != place {
            found.add(
                "I4",
                format!("event {place} has sequence {}", event.sequence),
            );
        }
    }
    let kind = |event: Option<&pb::BulkEvent>| event.and_then(|event| event.event.clone());
    if !matches!(kind(events.first()), Some(Event::Accepted(_))) {
        found.add("I4", "the first event is not `accepted`".to_owned());
    }
    let last = events
        .iter()
        .filter(|event| matches!(event.event, Some(Event::Finished(_))));
    if last.count() != 1 || !matches!(kind(events.last()), Some(Event::Finished(_))) {
        found.add(
            "I4",
            "`finished` is not the last event, or not the only one".to_owned(),
        );
    }
}

fn add_up(job: &Export, item_count: usize, found: &mut Found) {
    let mut totals = [0u32; 7];
    let mut exceptions: HashMap<u32, i32> = HashMap::new();
    for event in &job.events {
        match &event.event {
            Some(Event::Accepted(accepted)) => {
                let folded = job.items.len() - item_count;
                let told = (
                    accepted.item_count as usize,
                    accepted.folded_item_count as usize,
                );
                if told != (item_count, folded) {
                    found.add(
                        "I4",
                        format!("accepted {told:?}, not {:?}", (item_count, folded)),
                    );
                }
            }
            Some(Event::BatchFinished(batch)) => {
                for (total, more) in totals.iter_mut().zip(numbers(batch.counts.as_ref())) {
                    *total += more;
                }
                if totals != numbers(batch.totals.as_ref()) {
                    let at = event.sequence;
                    found.add(
                        "I4",
                        format!("totals of event {at} are not the sum of counts"),
                    );
                }
                for item in &batch.exceptions {
                    exceptions.insert(item.item_index, item.outcome);
                }
            }
            Some(Event::Finished(finished)) if totals != numbers(finished.totals.as_ref()) => {
                found.add(
                    "I4",
                    "totals of `finished` are not the sum of counts".to_owned(),
                );
            }
            _ => {}
        }
    }
    let mut counted = [0u32; 7];
    for item in &job.outcomes {
        if let Some(count) = usize::try_from(item.outcome - 1)
            .ok()
            .and_then(|at| counted.get_mut(at))
        {
            *count += 1;
        }
        let told = exceptions.get(&item.item_index);
        if told.is_some_and(|told| *told != item.outcome) {
            found.add(
                "I4",
                format!("an event has another outcome for item {}", item.item_index),
            );
        }
    }
    if totals != counted {
        found.add(
            "I4",
            format!("events count {totals:?}, outcomes are {counted:?}"),
        );
    }
}

/// Counts in the order of the outcomes' numbers.
pub(crate) fn numbers(counts: Option<&pb::BulkCounts>) -> [u32; 7] {
    let counts = counts.copied().unwrap_or_default();
    [
        counts.accepted,
        counts.invalid,
        counts.unlicensed,
        counts.failed,
        counts.cancelled,
        counts.expired,
        counts.unknown,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "t";

    fn outcome(item_index: u32, user_id: &str, outcome: Outcome) -> pb::BulkItemOutcome {
        pb::BulkItemOutcome {
            item_index,
            user_id: user_id.to_owned(),
            outcome: outcome.into(),
            ..pb::BulkItemOutcome::default()
        }
    }

    fn event(sequence: u64, event: Event) -> pb::BulkEvent {
        pb::BulkEvent {
            sequence,
            event: Some(event),
            ..pb::BulkEvent::default()
        }
    }

    fn sent(users: &[&str]) -> Line {
        Line {
            text: Some(TEXT.to_owned()),
            delivered: users.iter().map(|&user| user.to_owned()).collect(),
            ..Line::default()
        }
    }

    /// Two got it, one is invalid, and one upload was folded.
    fn right() -> (Export, Vec<Line>) {
        let totals = Some(pb::BulkCounts {
            accepted: 2,
            invalid: 1,
            ..pb::BulkCounts::default()
        });
        let users = ["a", "B", "b", "nobody"];
        let export = Export {
            items: users
                .map(|user| (user.to_owned(), TEXT.to_owned()))
                .to_vec(),
            outcomes: vec![
                outcome(0, "a", Outcome::Accepted),
                outcome(1, "B", Outcome::Accepted),
                outcome(3, "nobody", Outcome::Invalid),
            ],
            events: vec![
                event(
                    1,
                    Event::Accepted(pb::BulkAccepted {
                        item_count: 3,
                        folded_item_count: 1,
                        ..pb::BulkAccepted::default()
                    }),
                ),
                event(
                    2,
                    Event::BatchFinished(pb::BulkBatchFinished {
                        batch_count: 1,
                        counts: totals,
                        totals,
                        exceptions: vec![outcome(3, "nobody", Outcome::Invalid)],
                    }),
                ),
                event(3, Event::Finished(pb::BulkFinished { state: 4, totals })),
            ],
        };
        let mut line = sent(&["a", "b"]);
        line.invalid = vec!["nobody".to_owned()];
        (export, vec![line])
    }

    #[test]
    fn what_is_right_passes() {
        let (export, ledger) = right();
        assert_eq!(breaches(&export, &ledger), Vec::<String>::new());
    }

    /// Plants an error, and gives the rules that were found broken.
    fn broken(plant: impl FnOnce(&mut Export, &mut Vec<Line>)) -> Vec<String> {
        let (mut export, mut ledger) = right();
        plant(&mut export, &mut ledger);
        let found = breaches(&export, &ledger);
        let mut rules: Vec<String> = found.iter().map(|what| what[..2].to_owned()).collect();
        rules.dedup();
        rules
    }

    #[test]
    fn planted_errors_are_found() {
        assert_eq!(
            broken(|export, _| drop(export.outcomes.remove(1))),
            ["I1", "I3", "I4"]
        );
        assert_eq!(
            broken(|export, _| export.outcomes.push(outcome(1, "B", Outcome::Accepted))),
            ["I1", "I4"]
        );
        assert_eq!(
            broken(|export, _| export.outcomes[0].user_id = "z".into()),
            ["I1"]
        );
        assert_eq!(
            broken(|export, _| export.outcomes[0].item_index = 9),
            ["I1", "I3"]
        );
        assert_eq!(broken(|_, ledger| ledger.push(sent(&["A"]))), ["I2"]);
        assert_eq!(broken(|_, ledger| ledger[0].delivered.truncate(1)), ["I3"]);
        assert_eq!(broken(|_, ledger| ledger.push(sent(&["stranger"]))), ["I3"]);
        assert_eq!(
            broken(|_, ledger| ledger[0].dropped = vec![ledger[0].delivered.remove(0)]),
            ["I3"]
        );
        assert_eq!(
            broken(|export, _| export.outcomes[0].outcome = Outcome::Failed.into()),
            ["I3", "I4"]
        );
        assert_eq!(broken(|export, _| drop(export.events.remove(1))), ["I4"]);
        assert_eq!(broken(|export, _| drop(export.events.pop())), ["I4"]);
        assert_eq!(broken(|export, _| export.events.swap(1, 2)), ["I4"]);
        assert_eq!(
            broken(|export, _| {
                let again = export.events[1].clone();
                export.events.insert(2, again);
            }),
            ["I4"]
        );
    }

    #[test]
    fn unknown_may_be_either() {
        let found = |delivered: bool| {
            let (mut export, mut ledger) = right();
            export.outcomes[0].outcome = Outcome::Unknown.into();
            if !delivered {
                ledger[0].delivered.remove(0);
            }
            let found = breaches(&export, &ledger).into_iter();
            found.filter(|what| what.starts_with("I3")).count()
        };
        assert_eq!((found(true), found(false)), (0, 0));
    }
}
