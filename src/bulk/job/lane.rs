//! What holds for every batch of an app: how many calls at once, and when none at all.
//!
//! A gate closes the lane. A *timed* one opens by the clock: a frequency limit, the day's quota. A
//! *probing* one lets a single call try now and then, and opens when WeCom answers: an outage,
//! refused credentials.

use serde::{Deserialize, Serialize};

use super::rules::{BACKOFF_MAX_MS, BACKOFF_MS};
use super::{Answer, Hold, Pause, PauseReason};

/// Calls at once to begin with, at least and at most. errcode 45033 was seen from five
/// parallel calls on.
const PLACES: usize = 4;
const PLACES_MIN: usize = 1;
const PLACES_MAX: usize = 8;
/// One place more after so long without errcode 45033.
const GROWTH_MS: i64 = 10_000;
/// How WeCom blocks: a minute, an hour, then the rest of the day.
/// <https://developer.work.weixin.qq.com/document/path/90312>
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Midnight in Shanghai is at 16:00 UTC, without summer time since 1991.
const SHANGHAI_MS: i64 = 8 * HOUR_MS;
/// A limit hit again so soon after a block was a longer one.
const RECURRENCE_MS: i64 = 5 * MINUTE_MS;
/// How often refused credentials are tried.
const CREDENTIAL_PROBE_MS: i64 = 60_000;
/// Shorter rests are not worth an event.
const ANNOUNCE_MS: i64 = 5_000;

/// The lane of one app.
pub(super) struct Lane {
    places: usize,
    grow_at_ms: i64,
    halved_at_ms: i64,
    gate: Option<Gate>,
    ladder: Ladder,
    /// Calls that WeCom answered for good.
    pub(super) successes: u64,
    noted: bool,
    changed: bool,
}

struct Gate {
    pause: Pause,
    closed_until_ms: i64,
    /// Calls that began before it say nothing new.
    since_ms: i64,
    announced: bool,
    /// How often a probing gate was closed again; `None` for a timed one.
    probes: Option<u32>,
}

/// How far the blocks by WeCom's frequency limit have grown.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Ladder {
    step: u8,
    ended_ms: Option<i64>,
}

/// What the next holder has to know.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    ladder: Ladder,
    /// A timed pause, and when it ends.
    pause: Option<(Pause, i64)>,
}

impl Lane {
    /// The lane as its last holder left it. What that one could not reach or was refused, this
    /// one tries for itself.
    pub(super) fn new(note: Option<&[u8]>, now_ms: i64) -> Self {
        // A note that cannot be read costs one more refusal by WeCom; failing would cost the lane.
        let note: Note = note
            .and_then(|note| serde_json::from_slice(note).ok())
            .unwrap_or_default();
        let gate = note.pause.map(|(pause, until_ms)| Gate {
            pause,
            closed_until_ms: until_ms.min(now_ms + DAY_MS),
            since_ms: now_ms,
            announced: true,
            probes: None,
        });
        Self {
            places: PLACES,
            grow_at_ms: now_ms + GROWTH_MS,
            halved_at_ms: i64::MIN,
            gate,
            ladder: note.ladder,
            successes: 0,
            noted: true,
            changed: true,
        }
    }

    /// What an answer says of the lane. `since_ms` is when the call's intent was written down;
    /// `counts` whether a lost answer counts against the batch instead.
    pub(super) fn answered(&mut self, answer: &Answer, since_ms: i64, counts: bool, now_ms: i64) {
        match answer {
            Answer::Sent { .. } | Answer::AllInvalid | Answer::Refused { .. } => {
                self.successes += 1;
                self.reached();
            }
            Answer::Held(Hold::Concurrency) => {
                self.reached();
                self.halve(since_ms, now_ms);
            }
            Answer::Held(Hold::Unreachable { detail }) => {
                self.probe_later(outage(0, detail), 0, since_ms, now_ms);
            }
            Answer::InDoubt { errcode, detail } if !counts => {
                self.probe_later(outage(*errcode, detail), 0, since_ms, now_ms);
            }
            Answer::Held(Hold::Lane {
                reason,
                wait_ms,
                errcode,
                detail,
            }) => {
                let pause = Pause {
                    reason: *reason,
                    until_ms: None,
                    errcode: *errcode,
                    detail: detail.clone(),
                };
                match reason {
                    PauseReason::RateLimited | PauseReason::QuotaUsed => {
                        self.close(pause, *wait_ms, now_ms);
                    }
                    PauseReason::CircuitOpen => {
                        self.probe_later(pause, *wait_ms, since_ms, now_ms);
                    }
                    PauseReason::Credential => {
                        let wait_ms = CREDENTIAL_PROBE_MS.max(*wait_ms);
                        self.probe_later(pause, wait_ms, since_ms, now_ms);
                    }
                }
            }
            Answer::Held(Hold::Member { .. }) | Answer::InDoubt { .. } | Answer::Interrupted => {}
        }
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now_ms: i64) {
        if self.places < PLACES_MAX && now_ms >= self.grow_at_ms {
            self.places += 1;
            self.grow_at_ms = now_ms + GROWTH_MS;
        }
        let timed = self.gate.as_ref().filter(|gate| gate.probes.is_none());
        if timed.is_some_and(|gate| now_ms >= gate.closed_until_ms) {
            if timed.is_some_and(|gate| gate.pause.climbs()) {
                self.ladder.ended_ms = Some(now_ms);
            }
            self.gate = None;
            self.noted = false;
            self.changed = true;
        }
    }

    /// The clock was set back: what was to happen at a time that is far away now, happens sooner.
    pub(super) fn clock_went_back(&mut self, by_ms: i64, now_ms: i64) {
        self.grow_at_ms = self.grow_at_ms.min(now_ms + GROWTH_MS);
        self.halved_at_ms = i64::MIN;
        if let Some(gate) = &mut self.gate {
            gate.closed_until_ms -= by_ms;
            gate.since_ms = i64::MIN;
        }
    }

    /// Whether one more call may begin.
    pub(super) fn admits(&self, in_flight: usize, now_ms: i64) -> bool {
        match &self.gate {
            None => in_flight < self.places,
            Some(gate) => gate.probes.is_some() && in_flight == 0 && now_ms >= gate.closed_until_ms,
        }
    }

    /// Why nothing is sent, if that is worth an event.
    pub(super) fn pause(&self) -> Option<&Pause> {
        self.gate
            .as_ref()
            .filter(|gate| gate.announced)
            .map(|gate| &gate.pause)
    }

    /// Whether [`Self::pause`] may have changed since this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What is to be left for the next holder, if it changed.
    pub(super) fn take_note(&mut self) -> Option<Vec<u8>> {
        if std::mem::replace(&mut self.noted, true) {
            return None;
        }
        let timed = self.gate.as_ref().filter(|gate| gate.probes.is_none());
        let note = Note {
            ladder: self.ladder,
            pause: timed.map(|gate| (gate.pause.clone(), gate.closed_until_ms)),
        };
        Some(serde_json::to_vec(&note).expect("plain fields become JSON"))
    }

    /// When the lane admits more by itself.
    pub(super) fn wake_at_ms(&self) -> Option<i64> {
        match &self.gate {
            Some(gate) => Some(gate.closed_until_ms),
            None => (self.places < PLACES_MAX).then_some(self.grow_at_ms),
        }
    }

    /// WeCom answered: what was probed for is over.
    fn reached(&mut self) {
        if self.gate.as_ref().is_some_and(|gate| gate.probes.is_some()) {
            self.gate = None;
            self.changed = true;
        }
    }

    fn halve(&mut self, since_ms: i64, now_ms: i64) {
        self.grow_at_ms = now_ms + GROWTH_MS;
        // Calls of the same burst are told the same; they are halved for once.
        if since_ms >= self.halved_at_ms {
            self.places = (self.places / 2).max(PLACES_MIN);
            self.halved_at_ms = now_ms;
        }
    }

    /// Closes a timed gate. One that is closed already stays: it is the same limit, told to
    /// calls that were under way.
    fn close(&mut self, mut pause: Pause, wait_ms: i64, now_ms: i64) {
        if self.gate.as_ref().is_some_and(|gate| gate.probes.is_none()) {
            return;
        }
        let mut until_ms = now_ms + wait_ms.max(1);
        if pause.climbs() {
            until_ms = until_ms.max(self.ladder.climb(now_ms));
        }
        pause.until_ms = Some(until_ms);
        self.gate = Some(Gate {
            pause,
            closed_until_ms: until_ms,
            since_ms: now_ms,
            announced: until_ms - now_ms >= ANNOUNCE_MS,
            probes: None,
        });
        self.noted = false;
        self.changed = true;
    }

    /// Closes a probing gate, for longer each time that a probe fails.
    fn probe_later(&mut self, pause: Pause, wait_ms: i64, since_ms: i64, now_ms: i64) {
        let (probes, announced, pause) = match self.gate.take() {
            None => (0, false, pause),
            Some(gate) => {
                let Some(probes) = gate.probes.filter(|_| since_ms >= gate.since_ms) else {
                    self.gate = Some(gate);
                    return;
                };
                // The first words stay, or each probe would make an event.
                let pause = match gate.pause.reason == pause.reason {
                    true => gate.pause,
                    false => pause,
                };
                (probes + 1, gate.announced, pause)
            }
        };
        let rest_ms = (BACKOFF_MS << probes.min(6))
            .min(BACKOFF_MAX_MS)
            .max(wait_ms);
        self.gate = Some(Gate {
            pause,
            closed_until_ms: now_ms + rest_ms,
            since_ms: now_ms,
            announced: announced || rest_ms >= ANNOUNCE_MS,
            probes: Some(probes),
        });
        self.changed = true;
    }
}

impl Pause {
    /// Whether it is a block by WeCom of unknown length. What the gateway counts by itself, it
    /// knows the end of.
    fn climbs(&self) -> bool {
        self.reason == PauseReason::RateLimited && self.errcode != 0
    }
}

impl Ladder {
    /// Until when a limit that was hit now blocks.
    fn climb(&mut self, now_ms: i64) -> i64 {
        let recurs = self
            .ended_ms
            .is_some_and(|ended_ms| (0..RECURRENCE_MS).contains(&(now_ms - ended_ms)));
        self.step = if recurs {
            self.step.saturating_add(1)
        } else {
            0
        };
        match self.step {
            0 => now_ms + MINUTE_MS,
            1 => now_ms + HOUR_MS,
            _ => now_ms + DAY_MS - (now_ms + SHANGHAI_MS).rem_euclid(DAY_MS),
        }
    }
}

fn outage(errcode: i64, detail: &str) -> Pause {
    Pause {
        reason: PauseReason::CircuitOpen,
        until_ms: None,
        errcode,
        detail: detail.to_owned(),
    }
}
