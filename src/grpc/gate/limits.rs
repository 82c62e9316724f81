//! How much is let in at once. A call beyond it is refused at once, and told when to come
//! back, rather than kept waiting until its caller has given up.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};

/// What a refused call is told to wait: long enough to matter, spread so that those
/// refused together do not come back together.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// How many calls are under way at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Unary calls in all.
    pub unary_calls: usize,
    /// Unary calls of one caller.
    pub unary_calls_per_caller: usize,
    /// Calls that one caller may begin in a second.
    pub calls_per_second_per_caller: u32,
    /// Streams in all.
    pub streams: usize,
    /// Streams of one caller.
    pub streams_per_caller: usize,
}

/// Unary or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unary,
    Stream,
}

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shed {
    /// One word, for metrics.
    pub(super) reason: &'static str,
    pub(super) retry_after: Duration,
}

impl Shed {
    /// The limit, to who reached it.
    pub(super) fn message(&self) -> &'static str {
        match self.reason {
            "caller_rate" => "this caller makes too many calls a second",
            "caller_unary" | "caller_streams" => "too many calls of this caller are under way",
            _ => "too many calls are under way",
        }
    }
}

/// The calls under way.
pub(super) struct Admission {
    limits: Limits,
    all: Counts,
    callers: Box<[Load]>,
}

#[derive(Default)]
struct Counts {
    unary: AtomicUsize,
    streams: AtomicUsize,
}

struct Load {
    counts: Counts,
    rate: DefaultDirectRateLimiter,
}

/// A place among the calls under way; dropping it gives it back.
pub(super) struct Permit {
    admission: Arc<Admission>,
    kind: Kind,
    caller: Option<usize>,
}

impl Counts {
    fn of(&self, kind: Kind) -> &AtomicUsize {
        match kind {
            Kind::Unary => &self.unary,
            Kind::Stream => &self.streams,
        }
    }

    fn take(&self, kind: Kind, most: usize) -> bool {
        let taken = self.of(kind).fetch_add(1, Ordering::Relaxed) < most;
        if !taken {
            self.give_back(kind);
        }
        taken
    }

    fn give_back(&self, kind: Kind) {
        self.of(kind).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    pub(super) fn new(limits: Limits, callers: usize) -> Arc<Self> {
        // 0 is a fault of the settings; here it would be no limit.
        let rate = NonZeroU32::new(limits.calls_per_second_per_caller).unwrap_or(NonZeroU32::MAX);
        let load = || Load {
            counts: Counts::default(),
            rate: DefaultDirectRateLimiter::direct(Quota::per_second(rate)),
        };
        Arc::new(Self {
            limits,
            all: Counts::default(),
            callers: (0..callers).map(|_| load()).collect(),
        })
    }

    /// A place for a call of the caller at `caller`. Where no callers are configured, all
    /// share the limits in all, and nothing else.
    pub(super) fn enter(
        self: &Arc<Self>,
        kind: Kind,
        caller: Option<usize>,
    ) -> Result<Permit, Shed> {
        let Limits {
            unary_calls,
            unary_calls_per_caller,
            calls_per_second_per_caller: _,
            streams,
            streams_per_caller,
        } = self.limits;
        let (most, most_of_caller, reasons) = match kind {
            Kind::Unary => (
                unary_calls,
                unary_calls_per_caller,
                ["unary", "caller_unary"],
            ),
            Kind::Stream => (streams, streams_per_caller, ["streams", "caller_streams"]),
        };
        let full = |reason| Shed {
            reason,
            retry_after: RETRY.0 + (RETRY.1 - RETRY.0).mul_f64(fastrand::f64()),
        };
        if !self.all.take(kind, most) {
            return Err(full(reasons[0]));
        }
        let permit = |caller| Permit {
            admission: self.clone(),
            kind,
            caller,
        };
        let Some((index, load)) = caller.and_then(|index| Some((index, self.callers.get(index)?)))
        else {
            return Ok(permit(None));
        };
        if !load.counts.take(kind, most_of_caller) {
            drop(permit(None));
            return Err(full(reasons[1]));
        }
        let permit = permit(Some(index));
        match load.rate.check() {
            Ok(()) => Ok(permit),
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                Err(Shed {
                    reason: "caller_rate",
                    retry_after: wait.max(full("").retry_after),
                })
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.all.give_back(self.kind);
        if let Some(index) = self.caller {
            self.admission.callers[index].counts.give_back(self.kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        unary_calls: 3,
        unary_calls_per_caller: 2,
        calls_per_second_per_caller: 1000,
        streams: 1,
        streams_per_caller: 1,
    };

    #[test]
    fn places_are_counted_in_all_and_for_each_caller_and_given_back() {
        let admission = Admission::new(LIMITS, 2);
        let enter = |kind, caller| admission.enter(kind, Some(caller));
        let reason = |kind, caller| enter(kind, caller).err().map(|shed| shed.reason);
        let first = enter(Kind::Unary, 0).ok();
        let second = enter(Kind::Unary, 0).ok();
        assert!(first.is_some() && second.is_some());
        assert_eq!(reason(Kind::Unary, 0), Some("caller_unary"));
        let third = enter(Kind::Unary, 1).ok();
        assert_eq!(reason(Kind::Unary, 1), Some("unary"));
        drop(first);
        assert_eq!(reason(Kind::Unary, 1), None);
        assert_eq!(reason(Kind::Unary, 0), None);
        drop((second, third));
        let stream = enter(Kind::Stream, 0).ok();
        assert_eq!(reason(Kind::Stream, 1), Some("streams"));
        assert_eq!(reason(Kind::Unary, 0), None, "streams leave room for calls");
        drop(stream);
        assert_eq!(admission.all.unary.load(Ordering::Relaxed), 0);
        assert_eq!(admission.all.streams.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_caller_begins_so_many_calls_a_second_and_waits_a_little_then() {
        let admission = Admission::new(
            Limits {
                calls_per_second_per_caller: 5,
                ..LIMITS
            },
            2,
        );
        let shed = (0..6).find_map(|_| admission.enter(Kind::Unary, Some(0)).err());
        let shed = shed.unwrap();
        assert_eq!(shed.reason, "caller_rate");
        assert!((RETRY.0..=RETRY.1).contains(&shed.retry_after), "{shed:?}");
        assert!(admission.enter(Kind::Unary, Some(1)).is_ok());
        // Where nobody is known, the rate is nobody's.
        assert!((0..100).all(|_| admission.enter(Kind::Unary, None).is_ok()));
    }
}
