//! When WeCom fails again and again, leave it alone for a moment; and never let
//! repetitions grow into a load of their own.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures are counted over this long, in steps of a second.
const WINDOW_SECONDS: usize = 10;
/// Opens at this many calls in the window, half of them failed.
const LEAST_CALLS: u32 = 20;
/// How long no call is made.
const REST: Duration = Duration::from_secs(5);
/// Calls that try whether WeCom is back.
const PROBES: u32 = 3;
/// Repetitions, in thousandths: a tenth of the calls, plus three a second, saved
/// up to ten.
const REPETITION: u64 = 1000;
const BUDGET_SHARE: u64 = REPETITION / 10;
const BUDGET_PER_MILLISECOND: u64 = 3;
const BUDGET_MOST: u64 = 10 * REPETITION;

/// One app's breaker and repetition budget.
pub(super) struct Breaker {
    origin: Instant,
    state: Mutex<State>,
}

/// Leave to make one call. A result counts only while the breaker is as it was then: what
/// began before says nothing of how WeCom fares after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass(u64);

struct State {
    /// Rises with each change of `mode`.
    epoch: u64,
    /// (second, calls, failures)
    window: [(u64, u32, u32); WINDOW_SECONDS],
    mode: Mode,
    budget: u64,
    budget_at: Instant,
}

enum Mode {
    Closed,
    Open(Instant),
    /// Probes still allowed, and those that came back well.
    HalfOpen {
        left: u32,
        well: u32,
        since: Instant,
    },
}

impl Breaker {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            origin: now,
            state: Mutex::new(State {
                epoch: 0,
                window: [(0, 0, 0); WINDOW_SECONDS],
                mode: Mode::Closed,
                budget: BUDGET_MOST,
                budget_at: now,
            }),
        }
    }

    /// Whether a call may be made; else how long to wait.
    pub(super) fn admit(&self) -> Result<Pass, Duration> {
        let now = Instant::now();
        let mut state = self.lock();
        let probing = Mode::HalfOpen {
            left: PROBES - 1,
            well: 0,
            since: now,
        };
        match &mut state.mode {
            Mode::Closed => {}
            Mode::Open(until) if *until > now => return Err(*until - now),
            Mode::Open(_) => state.enter(probing),
            // Probes whose callers went away must not lock the door for ever.
            Mode::HalfOpen { left: 0, since, .. } if now - *since > REST => state.enter(probing),
            Mode::HalfOpen { left: 0, .. } => return Err(REST),
            Mode::HalfOpen { left, .. } => *left -= 1,
        }
        Ok(Pass(state.epoch))
    }

    /// Counts a call that WeCom answered, or that failed by WeCom's or the
    /// network's fault. A refusal is an answer.
    pub(super) fn record(&self, pass: Pass, answered: bool) {
        let now = Instant::now();
        let second = (now - self.origin).as_secs();
        let mut state = self.lock();
        state.budget = (state.budget + BUDGET_SHARE).min(BUDGET_MOST);
        if pass.0 != state.epoch {
            return;
        }
        match &mut state.mode {
            Mode::Open(_) => {}
            Mode::HalfOpen { well, .. } if answered => {
                *well += 1;
                if *well == PROBES {
                    state.enter(Mode::Closed);
                    state.window = [(0, 0, 0); WINDOW_SECONDS];
                    tracing::info!("WeCom answers again");
                }
            }
            Mode::HalfOpen { .. } => state.enter(Mode::Open(now + REST)),
            Mode::Closed => {
                let slot = &mut state.window[second as usize % WINDOW_SECONDS];
                if slot.0 != second {
                    *slot = (second, 0, 0);
                }
                slot.1 += 1;
                slot.2 += u32::from(!answered);
                if !answered && state.is_bad(second) {
                    state.enter(Mode::Open(now + REST));
                    tracing::warn!("WeCom fails too often; resting for {} s", REST.as_secs());
                }
            }
        }
    }

    /// Takes one repetition from the budget.
    pub(super) fn may_repeat(&self) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let idle = u64::try_from((now - state.budget_at).as_millis()).unwrap_or(u64::MAX);
        let earned = idle.saturating_mul(BUDGET_PER_MILLISECOND);
        state.budget = state.budget.saturating_add(earned).min(BUDGET_MOST);
        state.budget_at = now;
        let left = state.budget.checked_sub(REPETITION);
        state.budget = left.unwrap_or(state.budget);
        left.is_some()
    }

    /// Whether calls are held back now.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.lock().mode, Mode::Open(until) if until > Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, mode: Mode) {
        self.epoch += 1;
        self.mode = mode;
    }

    fn is_bad(&self, second: u64) -> bool {
        let recent = self
            .window
            .iter()
            .filter(|slot| slot.0 + WINDOW_SECONDS as u64 > second);
        let (calls, failures) = recent.fold((0, 0), |(calls, failures), slot| {
            (calls + slot.1, failures + slot.2)
        });
        calls >= LEAST_CALLS && failures * 2 >= calls
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn opens_at_twenty_calls_half_of_them_bad_and_closes_after_three_good_probes() {
        let breaker = Breaker::new();
        for call in 0..19 {
            let pass = breaker.admit().unwrap();
            breaker.record(pass, call % 2 == 0);
        }
        assert!(!breaker.is_open());
        let early = breaker.admit().unwrap();
        breaker.record(early, false);
        assert!(breaker.is_open());
        assert_eq!(breaker.admit(), Err(REST));

        advance(REST).await;
        let mut pass = early;
        for _ in 0..PROBES {
            pass = breaker.admit().unwrap();
        }
        assert!(breaker.admit().is_err(), "only three probes");
        // Calls from before it opened say nothing, well or ill.
        for answered in [true, true, true, false] {
            breaker.record(early, answered);
        }
        assert!(!breaker.is_open() && breaker.admit().is_err());
        (0..PROBES).for_each(|_| breaker.record(pass, true));
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_probe_opens_again() {
        let breaker = Breaker::new();
        let pass = breaker.admit().unwrap();
        (0..20).for_each(|_| breaker.record(pass, false));
        advance(REST).await;
        let probe = breaker.admit().unwrap();
        breaker.record(probe, false);
        assert!(breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn old_failures_are_forgotten() {
        let breaker = Breaker::new();
        let pass = breaker.admit().unwrap();
        (0..19).for_each(|_| breaker.record(pass, false));
        advance(Duration::from_secs(11)).await;
        breaker.record(pass, false);
        assert!(!breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn repetitions_are_a_tenth_of_the_calls() {
        let breaker = Breaker::new();
        assert_eq!((0..100).filter(|_| breaker.may_repeat()).count(), 10);
        let pass = breaker.admit().unwrap();
        (0..50).for_each(|_| breaker.record(pass, true));
        assert_eq!((0..100).filter(|_| breaker.may_repeat()).count(), 5);
        advance(Duration::from_secs(1)).await;
        assert_eq!((0..100).filter(|_| breaker.may_repeat()).count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_of_failures_costs_few_attempts_and_ends_in_ten_seconds() {
        let breaker = Breaker::new();
        let (calls, mut attempts, mut before_open) = (60 * 50, 0, 0);
        for _ in 0..calls {
            // As the client does: twice more at most.
            for _ in 0..3 {
                let Ok(pass) = breaker.admit() else { break };
                attempts += 1;
                before_open += u32::from(breaker.lock().epoch == 0);
                breaker.record(pass, false);
                if !breaker.may_repeat() {
                    break;
                }
            }
            advance(Duration::from_millis(20)).await;
        }
        assert!(before_open <= LEAST_CALLS, "{before_open}");
        assert!(
            attempts <= calls / 10,
            "{attempts} attempts of {calls} calls"
        );
        let mended = Instant::now();
        loop {
            match breaker.admit() {
                Ok(pass) if matches!(breaker.lock().mode, Mode::Closed) => {
                    breaker.record(pass, true);
                    break;
                }
                Ok(pass) => breaker.record(pass, true),
                Err(_) => advance(Duration::from_millis(20)).await,
            }
        }
        assert!(mended.elapsed() <= Duration::from_secs(10));
    }
}
