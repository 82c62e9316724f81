use std::collections::HashMap;

use super::*;
use crate::store::{
    Batch, BatchState, Changes, Counts, Job, JobState, Lease, Outcome, Progress, Settlement,
};

/// 2026-11-24 10:00 in Shanghai.
const NOON: i64 = 1_795_485_600_000;
const HOUR: i64 = 3_600_000;

fn lease(latest_ms: i64, note: Option<Vec<u8>>) -> Lease {
    Lease {
        term: 1,
        now_ms: latest_ms,
        latest_ms,
        note,
    }
}

fn batch(index: u32, item_count: u32) -> Batch {
    Batch {
        index,
        origin: index,
        item_count,
        state: BatchState::Ready { at_ms: NOON },
        attempts: 0,
        interruptions: 0,
        resent: false,
        doubt_since_ms: None,
    }
}

fn job(id: &str, batches: Vec<Batch>) -> OpenJob {
    let count = u32::try_from(batches.len()).unwrap();
    OpenJob {
        job: Job {
            id: id.into(),
            app: "app".into(),
            caller: "caller".into(),
            request_id: None,
            item_count: batches.iter().map(|it| it.item_count).sum(),
            folded_item_count: 0,
            accepted_at_ms: NOON,
            deadline_ms: NOON + 24 * HOUR,
            window_seconds: Some(14_100),
            resend_unknown: false,
            cancel_requested_at_ms: None,
            progress: Progress {
                state: JobState::Accepted,
                pause: None,
                counts: Counts::default(),
                batch_count: count,
                finished_batch_count: 0,
                last_sequence: 1,
                started_at_ms: None,
                finished_at_ms: None,
            },
        },
        batches,
        next_index: count,
    }
}

fn some(count: u32) -> Vec<Batch> {
    (0..count).map(|index| batch(index, 10)).collect()
}

fn dispatcher(jobs: Vec<OpenJob>) -> Dispatcher {
    Dispatcher::new(&lease(NOON, None), jobs, NOON)
}

fn claimed(changes: &Changes) -> Vec<(&str, u32)> {
    let claims = changes.claims.iter();
    claims
        .map(|(id, batch)| (id.as_str(), batch.index))
        .collect()
}

fn events(changes: &Changes) -> Vec<Event> {
    let events = changes.events.iter();
    events
        .map(|(_, event)| serde_json::from_slice(&event.payload).unwrap())
        .collect()
}

fn outcomes(changes: &Changes) -> HashMap<u32, Settlement> {
    let settled = changes.settled.iter().cloned();
    settled
        .map(|(_, index, settlement)| (index, settlement))
        .collect()
}

fn sent() -> Answer {
    Answer::Sent {
        invalid: vec![],
        unlicensed: vec![],
        message_id: Some("m".into()),
        response_code: None,
    }
}

fn lost() -> Answer {
    Answer::InDoubt {
        errcode: 0,
        detail: "cut".into(),
    }
}

fn limited() -> Answer {
    Answer::Held(Hold::Lane {
        reason: PauseReason::RateLimited,
        wait_ms: 0,
        errcode: 45_009,
        detail: "too often".into(),
    })
}

fn refused(by_recipient: bool, may_follow_success: bool) -> Answer {
    Answer::Refused {
        errcode: 40_003,
        detail: "no".into(),
        by_recipient,
        may_follow_success,
    }
}

fn answer(to: &mut Dispatcher, job: &str, index: u32, answer: Answer, now_ms: i64) {
    to.handle(Input::Answered(job.into(), index, answer), now_ms);
}

#[test]
fn a_job_runs_to_its_end() {
    let mut lane = dispatcher(vec![job("a", some(2))]);
    let first = lane.step(NOON);
    assert_eq!(claimed(&first), [("a", 0), ("a", 1)]);
    assert_eq!(first.jobs[0].1.state, JobState::Running);
    assert_eq!(first.jobs[0].1.started_at_ms, Some(NOON));
    let answer_with_invalid = Answer::Sent {
        invalid: vec![3],
        unlicensed: vec![1, 3],
        message_id: None,
        response_code: None,
    };
    answer(&mut lane, "a", 1, answer_with_invalid, NOON + 1);
    answer(&mut lane, "a", 0, sent(), NOON + 1);
    let last = lane.step(NOON + 2);
    assert_eq!(
        outcomes(&last)[&1].exceptions,
        [(1, Outcome::Unlicensed), (3, Outcome::Invalid)]
    );
    let totals = [18, 1, 1, 0, 0, 0, 0];
    assert_eq!(
        events(&last),
        [
            Event::BatchFinished {
                batches: vec![1, 0],
                counts: totals,
                totals
            },
            Event::Finished { state: 4, totals }
        ]
    );
    assert_eq!(last.events[1].1.sequence, 3);
    assert_eq!(last.jobs[0].1.finished_at_ms, Some(NOON + 2));
    assert_eq!(lane.step(NOON + 3), Changes::default());
}

#[test]
fn small_jobs_take_turns_with_big_ones() {
    let mut lane = dispatcher(vec![job("big", some(100)), job("small", some(2))]);
    let claims = lane.step(NOON);
    let small = claimed(&claims)
        .into_iter()
        .filter(|(id, _)| *id == "small");
    assert_eq!(small.count(), 2);
}

#[test]
fn what_was_being_sent_goes_out_again_within_the_window_only() {
    let mut sending = job("a", some(1));
    sending.batches[0].state = BatchState::Sending { since_ms: NOON };
    let window = (14_100 - 600) * 1_000;
    let mut lane = Dispatcher::new(&lease(NOON, None), vec![sending.clone()], NOON + window - 1);
    let claims = lane.step(NOON + window - 1).claims;
    assert_eq!(claims[0].1.doubt_since_ms, Some(NOON));
    assert_eq!(claims[0].1.interruptions, 1);

    let mut lane = Dispatcher::new(&lease(NOON, None), vec![sending.clone()], NOON + window);
    let changes = lane.step(NOON + window);
    assert_eq!(outcomes(&changes)[&0].outcome, Outcome::Unknown);

    // The clock has gone back: nobody knows how old the doubt is.
    let latest = lease(NOON + HOUR, None);
    let mut lane = Dispatcher::new(&latest, vec![sending.clone()], NOON + 60_000);
    let changes = lane.step(NOON + 60_000);
    assert_eq!(outcomes(&changes)[&0].outcome, Outcome::Unknown);

    sending.job.resend_unknown = true;
    let mut lane = Dispatcher::new(&lease(NOON, None), vec![sending], NOON + window);
    let changes = lane.step(NOON + window);
    assert!(changes.claims[0].1.resent);
    answer(&mut lane, "a", 0, lost(), NOON + window + 1);
    let changes = lane.step(NOON + window + 1);
    assert_eq!(outcomes(&changes)[&0].outcome, Outcome::Unknown);
}

#[test]
fn a_clock_set_back_while_running_ends_all_doubt() {
    let mut lane = dispatcher(vec![job("a", some(2))]);
    lane.step(NOON);
    answer(&mut lane, "a", 0, lost(), NOON + 10);
    lane.step(NOON + 10);
    let back = NOON - HOUR;
    answer(&mut lane, "a", 1, lost(), back);
    lane.step(back);
    let changes = lane.step(back + 2_000);
    let all: Vec<_> = outcomes(&changes).values().map(|it| it.outcome).collect();
    assert_eq!(all, [Outcome::Unknown]);
}

#[test]
fn without_the_duplicate_check_a_lost_answer_is_unknown_at_once() {
    let mut open = job("a", some(1));
    open.job.window_seconds = None;
    let mut lane = dispatcher(vec![open]);
    lane.step(NOON);
    answer(&mut lane, "a", 0, lost(), NOON + 1);
    let changes = lane.step(NOON + 1);
    assert_eq!(outcomes(&changes)[&0].outcome, Outcome::Unknown);
}

#[test]
fn lost_answers_count_only_while_others_succeed() {
    let mut lane = dispatcher(vec![job("a", some(100))]);
    let mut now = NOON;
    let mut tries = 0;
    let mut end = None;
    while end.is_none() {
        let changes = lane.step(now);
        end = outcomes(&changes).remove(&0);
        now += 1_000;
        for (_, batch) in changes.claims.iter().rev() {
            let bad = batch.index == 0;
            tries += u32::from(bad);
            let what = if bad { lost() } else { sent() };
            answer(&mut lane, "a", batch.index, what, now);
        }
    }
    assert_eq!(end.unwrap().outcome, Outcome::Unknown);
    assert_eq!(tries, 5);
}

#[test]
fn an_outage_counts_against_nobody_and_is_probed_by_one_call() {
    let mut lane = dispatcher(vec![job("a", some(10))]);
    let mut now = NOON;
    let mut flying: Vec<_> = lane.step(now).claims;
    assert_eq!(flying.len(), 4);
    let mut paused = 0;
    for _ in 0..50 {
        for (_, batch) in flying {
            assert_eq!(batch.attempts, 0);
            answer(&mut lane, "a", batch.index, lost(), now);
        }
        let changes = lane.step(now);
        assert!(changes.settled.is_empty());
        paused += events(&changes).len();
        now = lane.wake_at_ms().unwrap();
        flying = lane.step(now).claims;
        assert!(flying.len() <= 1, "one probe");
    }
    assert_eq!(paused, 1, "one event for the whole outage");
    while flying.is_empty() {
        now = lane.wake_at_ms().unwrap();
        flying = lane.step(now).claims;
    }
    answer(&mut lane, "a", flying[0].1.index, sent(), now);
    let changes = lane.step(now);
    assert!(events(&changes).contains(&Event::Resumed));
    assert!(changes.claims.len() > 1);
}

#[test]
fn a_frequency_limit_climbs_its_ladder_also_through_a_takeover() {
    let mut lane = dispatcher(vec![job("a", some(10))]);
    let mut now = NOON;
    let mut ends = Vec::new();
    for _ in 0..3 {
        let claims = lane.step(now).claims;
        assert!(claims.len() >= 4);
        for (_, batch) in &claims {
            answer(&mut lane, "a", batch.index, limited(), now);
        }
        let changes = lane.step(now);
        assert!(changes.claims.is_empty());
        let Some(Event::Paused(pause)) = events(&changes).pop() else {
            panic!("no pause");
        };
        let until = pause.until_ms.unwrap();
        ends.push(until - now);
        assert_eq!(lane.wake_at_ms(), Some(until));

        // The next holder keeps the pause and the ladder.
        let left = lease(now, changes.note);
        let mut open = job("a", some(10));
        open.job.progress = changes.jobs[0].1.clone();
        lane = Dispatcher::new(&left, vec![open], now + 1);
        let taken = lane.step(now + 1);
        assert_eq!((taken.claims.len(), taken.events.len()), (0, 0));
        now = until;
    }
    // The last is what is left of the day in Shanghai.
    assert_eq!(ends[..2], [60_000, HOUR]);
    assert_eq!(now, NOON + 14 * HOUR, "midnight");
    assert_eq!(events(&lane.step(now))[0], Event::Resumed);
}

#[test]
fn refusals_are_halved_until_the_bad_member_is_found() {
    let mut lane = dispatcher(vec![job("a", vec![batch(0, 1_000)])]);
    let mut now = NOON;
    let mut sizes = HashMap::from([(0, (0, 1_000))]);
    let mut calls = 0;
    let mut totals = None;
    while totals.is_none() {
        let changes = lane.step(now);
        for split in &changes.splits {
            let (start, _) = sizes[&split.index];
            let middle = start + split.first.item_count;
            sizes.insert(split.first.index, (start, split.first.item_count));
            sizes.insert(split.second.index, (middle, split.second.item_count));
        }
        for (_, batch) in &changes.claims {
            calls += 1;
            let (start, count) = sizes[&batch.index];
            let bad = (start..start + count).contains(&777);
            answer(
                &mut lane,
                "a",
                batch.index,
                if bad { refused(true, false) } else { sent() },
                now,
            );
        }
        for event in events(&changes) {
            if let Event::Finished { totals: all, .. } = event {
                totals = Some(all);
            }
        }
        now += 1;
    }
    assert_eq!(totals, Some([999, 0, 0, 1, 0, 0, 0]));
    assert!(calls <= 21, "{calls}");
}

#[test]
fn a_batch_in_doubt_is_never_cut() {
    for (may_follow_success, outcome) in [(false, Outcome::Failed), (true, Outcome::Unknown)] {
        let mut lane = dispatcher(vec![job("a", some(1))]);
        lane.step(NOON);
        answer(&mut lane, "a", 0, lost(), NOON + 1);
        lane.step(NOON + 1);
        assert_eq!(claimed(&lane.step(NOON + 1_500)), [("a", 0)]);
        answer(
            &mut lane,
            "a",
            0,
            refused(true, may_follow_success),
            NOON + 1_501,
        );
        let changes = lane.step(NOON + 1_501);
        assert!(changes.splits.is_empty());
        assert_eq!(outcomes(&changes)[&0].outcome, outcome);
    }
}

#[test]
fn three_panics_or_five_takeovers_quarantine_a_batch() {
    let mut lane = dispatcher(vec![job("a", some(1))]);
    let mut now = NOON;
    for left in (0..3).rev() {
        assert_eq!(claimed(&lane.step(now)), [("a", 0)]);
        answer(&mut lane, "a", 0, Answer::Interrupted, now);
        let changes = lane.step(now);
        assert_eq!(changes.settled.is_empty(), left > 0);
        now += 120_000;
    }
    let mut row = batch(0, 10);
    row.state = BatchState::Sending { since_ms: NOON };
    for left in (0..5).rev() {
        let mut lane = Dispatcher::new(&lease(NOON, None), vec![job("a", vec![row])], NOON);
        let changes = lane.step(NOON);
        assert_eq!(changes.settled.is_empty(), left > 0);
        row = changes.claims.first().map_or(row, |(_, batch)| *batch);
    }
}

#[test]
fn cancelling_spares_what_is_under_way() {
    let mut lane = dispatcher(vec![job("a", some(5_000))]);
    lane.step(NOON);
    lane.handle(Input::CancelRequested("a".into()), NOON + 1);
    let mut swept = Vec::new();
    while lane.wake_at_ms() == Some(NOON + 1) || swept.is_empty() {
        let changes = lane.step(NOON + 1);
        assert!(changes.claims.is_empty());
        swept.push(changes.settled.len());
    }
    assert_eq!(swept, [2_000, 2_000, 996]);
    answer(&mut lane, "a", 0, sent(), NOON + 2);
    answer(&mut lane, "a", 1, lost(), NOON + 2);
    answer(&mut lane, "a", 2, limited(), NOON + 2);
    lane.handle(Input::Unclaimed("a".into(), 3), NOON + 2);
    let changes = lane.step(NOON + 2);
    let Some(Event::Finished { state, totals }) = events(&changes).pop() else {
        panic!("it has not ended");
    };
    assert_eq!(state, JobState::Cancelled as i16);
    assert_eq!(totals, [10, 0, 0, 0, 49_980, 0, 10]);
}

#[test]
fn the_deadline_ends_what_waits() {
    let mut lane = dispatcher(vec![job("a", some(6))]);
    lane.step(NOON);
    answer(&mut lane, "a", 0, limited(), NOON);
    lane.step(NOON);
    let end = NOON + 24 * HOUR;
    let changes = lane.step(end);
    assert_eq!(changes.settled.len(), 3);
    for index in 1..4 {
        answer(&mut lane, "a", index, sent(), end + 1);
    }
    let last = lane.step(end + 1);
    assert_eq!(last.jobs[0].1.state, JobState::Expired);
}

#[test]
fn too_many_at_once_halves_the_places_and_they_grow_again() {
    let mut lane = dispatcher(vec![job("a", some(100))]);
    for (_, batch) in lane.step(NOON).claims {
        answer(
            &mut lane,
            "a",
            batch.index,
            Answer::Held(Hold::Concurrency),
            NOON + 1,
        );
    }
    assert_eq!(lane.step(NOON + 1).claims.len(), 2);
    assert_eq!(lane.step(NOON + 10_001).claims.len(), 1);
    assert_eq!(lane.in_flight(), 3);
}

#[test]
fn a_members_limit_delays_its_batch_only() {
    let mut lane = dispatcher(vec![job("a", some(5))]);
    lane.step(NOON);
    let wait_ms = 40_000;
    answer(
        &mut lane,
        "a",
        0,
        Answer::Held(Hold::Member { wait_ms }),
        NOON,
    );
    assert_eq!(claimed(&lane.step(NOON)), [("a", 4)]);
    for index in 1..5 {
        answer(&mut lane, "a", index, sent(), NOON + 1);
    }
    assert!(lane.step(NOON + 39_999).claims.is_empty());
    assert_eq!(claimed(&lane.step(NOON + 40_000)), [("a", 0)]);
}

#[test]
#[ignore = "a measurement: cargo test --release many_batches -- --ignored --nocapture"]
#[expect(clippy::disallowed_types, clippy::disallowed_macros)]
fn many_batches_cost_what_happens() {
    let jobs = (0..100).map(|number| job(&format!("job{number}"), some(1_000)));
    let began = std::time::Instant::now();
    let mut lane = dispatcher(jobs.collect());
    let opened = began.elapsed();
    let mut now = NOON;
    let mut steps = 0;
    loop {
        let changes = lane.step(now);
        steps += 1;
        if changes.claims.is_empty() {
            break;
        }
        for (id, batch) in changes.claims {
            answer(&mut lane, &id, batch.index, sent(), now);
        }
        now += 50;
    }
    println!(
        "opened in {opened:?}, {steps} steps by {:?}",
        began.elapsed()
    );
}
