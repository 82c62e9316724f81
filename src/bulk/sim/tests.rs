use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::time::Instant;

use super::world::{Planted, Run, run};

/// Runs a seed; a failed assertion breaks a promise too.
fn outcome(seed: u64, planted: Option<Planted>) -> Result<Run, String> {
    let run = catch_unwind(AssertUnwindSafe(|| run(seed, planted, false)))
        .map_err(|_| format!("seed {seed}: a failed assertion"))?;
    match run.broken {
        Some(broken) => Err(format!("seed {seed}: {broken}")),
        None => Ok(run),
    }
}

#[expect(
    clippy::disallowed_macros,
    reason = "figures for whoever runs it by hand"
)]
fn keep_the_promises(seeds: u64) {
    let began = Instant::now();
    let mut steps = 0;
    let mut totals = [0_u64; 7];
    for seed in 0..seeds {
        let run = outcome(seed, None).unwrap_or_else(|broken| panic!("{broken}"));
        steps += u64::from(run.steps);
        for (total, count) in totals.iter_mut().zip(run.totals) {
            *total += u64::from(count);
        }
    }
    let seconds = began.elapsed().max(Duration::from_millis(1)).as_secs_f64();
    println!(
        "{seeds} seeds, {:.0} a second, {} steps each; outcomes {totals:?}",
        seeds as f64 / seconds,
        steps / seeds
    );
    // All outcomes occur, or the simulator does not try what it should.
    assert!(totals.iter().all(|total| *total > 0), "{totals:?}");
}

#[test]
fn a_thousand_seeds_keep_the_promises() {
    keep_the_promises(1_000);
}

#[test]
#[ignore = "the full tier: cargo test --lib ten_thousand -- --ignored --nocapture"]
fn ten_thousand_seeds_keep_the_promises() {
    keep_the_promises(10_000);
}

#[test]
fn a_seed_replays_bit_by_bit() {
    for seed in [1, 42, 77] {
        let histories = [(); 2].map(|()| outcome(seed, None).unwrap().history);
        assert_eq!(histories[0], histories[1]);
    }
}

#[test]
fn nothing_is_unknown_or_failed_by_chance() {
    for seed in 0..100 {
        let run = run(seed, None, true);
        assert_eq!(run.broken, None);
        assert_eq!(run.totals[6], 0, "seed {seed} has UNKNOWN without a fault");
    }
}

/// A test for each planted fault, so that a blind spot has a name.
macro_rules! finds {
    ($($name:ident: $planted:ident,)*) => {
        $(#[test]
        #[expect(clippy::disallowed_macros, reason = "for whoever runs it by hand")]
        fn $name() {
            let found = (0..1_000).find_map(|seed| outcome(seed, Some(Planted::$planted)).err());
            println!("{}", found.expect("found in 1000 seeds"));
        })*
    };
}

finds! {
    finds_an_answer_before_the_commit: AckBeforeCommit,
    finds_other_bytes_in_a_resend: RebatchOnResend,
    finds_a_missing_window_check: NoWindowCheck,
    finds_a_stale_holder_that_sends: StaleLeaseSends,
    finds_a_call_before_its_intent: ResultBeforeIntent,
    finds_a_lost_event: LostEvent,
    finds_a_missing_case_fold: NoCaseFold,
    finds_a_retry_without_the_duplicate_check: RetryWithoutCheck,
}
