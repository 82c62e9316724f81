//! When members were sent to. A bulk job names a million of them, most once: those take 17 bytes
//! and a place in a table each.

use std::collections::HashMap;

use super::{HOUR, MINUTE, ticks};

/// A log this short whose member was left alone for a minute may be forgotten at
/// any time: 16 messages for each minute of quiet stay below 1000 an hour.
const FORGETTABLE: usize = 16;
/// No time, in a log of few.
const NEVER: u32 = 0;

/// Times at which each member was sent to in the last hour, in ticks from 1, by a hash of the
/// folded user id. Two members that share a hash would only share a limit.
#[derive(Default)]
pub(super) struct Logs {
    /// Up to two times, ascending.
    few: HashMap<u64, [u32; 2]>,
    /// More of them, ascending.
    many: HashMap<u64, Vec<u32>>,
}

impl Logs {
    /// Members in the logs.
    pub(super) fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    pub(super) fn push(&mut self, member: u64, at: u32) {
        if let Some(times) = self.many.get_mut(&member) {
            return times.push(at);
        }
        let times = self.few.entry(member).or_default();
        match times {
            [NEVER, _] => *times = [at, NEVER],
            [first, NEVER] => *times = [*first, at],
            [first, second] if *first + ticks(HOUR) <= at => *times = [*second, at],
            [first, second] => {
                let times = vec![*first, *second, at];
                self.few.remove(&member);
                self.many.insert(member, times);
            }
        }
    }

    /// Takes one time back.
    pub(super) fn remove(&mut self, member: u64, at: u32) {
        if let Some(times) = self.many.get_mut(&member) {
            if let Some(index) = times.iter().rposition(|time| *time == at) {
                times.remove(index);
            }
        } else if let Some(times) = self.few.get_mut(&member) {
            match times {
                [first, second] if *second == at => *times = [*first, NEVER],
                [first, second] if *first == at => *times = [*second, NEVER],
                _ => {}
            }
        }
    }

    /// The times of the last hour, if they are more than two: no limit is as low as that.
    pub(super) fn last_hour(&mut self, member: u64, now: u32) -> &[u32] {
        let Some(times) = self.many.get_mut(&member) else {
            return &[];
        };
        let old = times
            .iter()
            .take_while(|at| **at + ticks(HOUR) <= now)
            .count();
        times.drain(..old);
        times
    }

    /// Forgets those who were left alone for long enough.
    pub(super) fn sweep(&mut self, now: u32) {
        let quiet = |last: u32| now.saturating_sub(last) > ticks(MINUTE);
        self.few
            .retain(|_, [first, second]| !quiet((*first).max(*second)));
        self.many.retain(|_, times| {
            let last = times.last().copied().unwrap_or(NEVER);
            !(quiet(last) && times.len() <= FORGETTABLE)
        });
        self.few.shrink_to(self.few.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(logs: &Logs, member: u64) -> Vec<u32> {
        let few = logs.few.get(&member).into_iter().flatten().copied();
        let many = logs.many.get(&member).into_iter().flatten().copied();
        few.filter(|at| *at != NEVER).chain(many).collect()
    }

    #[test]
    fn a_member_moves_from_few_to_many_and_loses_no_time() {
        let mut logs = Logs::default();
        for at in 1..=4 {
            logs.push(7, at);
        }
        assert_eq!(times(&logs, 7), [1, 2, 3, 4]);
        assert_eq!(logs.last_hour(7, ticks(HOUR) + 2), [3, 4]);
        logs.remove(7, 3);
        assert_eq!(times(&logs, 7), [4]);
    }

    #[test]
    fn few_times_are_taken_back_and_replaced_when_they_are_old() {
        let mut logs = Logs::default();
        logs.push(7, 1);
        logs.push(7, 2);
        logs.remove(7, 1);
        logs.remove(7, 9);
        assert_eq!(times(&logs, 7), [2]);
        logs.push(7, 3);
        logs.push(7, ticks(HOUR) + 2);
        assert_eq!(times(&logs, 7), [3, ticks(HOUR) + 2], "an hour later");
        assert!(logs.many.is_empty());
        logs.sweep(ticks(HOUR) + 2 + ticks(MINUTE) + 1);
        assert_eq!(logs.len(), 0);
    }
}
