//! A list that forgets its oldest entries before it eats the machine.

use std::collections::VecDeque;

/// Entries kept: a job of a million people is a thousand calls, so twenty such jobs.
const MAX_ENTRIES: usize = 20_000;

/// Bytes kept: 20 000 calls of 1000 short userids are about 13 KB each, 256 MB together.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// A bounded list, oldest first.
pub(super) struct Log<T> {
    entries: VecDeque<(usize, T)>,
    bytes: usize,
}

impl<T> Log<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Adds an entry that holds about `bytes` of memory.
    pub(super) fn push(&mut self, entry: T, bytes: usize) {
        self.bytes += bytes;
        self.entries.push_back((bytes, entry));
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some((bytes, _)) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= bytes;
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// All entries, oldest first.
    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.entries.iter_mut().map(|(_, entry)| entry)
    }

    /// The newest `limit` entries that `wanted` likes, oldest first.
    pub(super) fn newest(&self, limit: usize, wanted: impl Fn(&T) -> bool) -> Vec<&T> {
        let entries = self.entries.iter().rev().map(|(_, entry)| entry);
        let mut found: Vec<&T> = entries.filter(|entry| wanted(entry)).take(limit).collect();
        found.reverse();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_entries_go_first() {
        let mut log = Log::new();
        for number in 0..MAX_ENTRIES + 2 {
            log.push(number, 1);
        }
        assert_eq!(log.newest(usize::MAX, |_| true).len(), MAX_ENTRIES);
        assert_eq!(log.newest(usize::MAX, |_| true)[0], &2);
        assert_eq!(log.newest(2, |n| n % 2 == 0), [&19_998, &20_000]);
        log.push(7, MAX_BYTES);
        assert_eq!(log.newest(usize::MAX, |_| true), [&7]);
    }
}
