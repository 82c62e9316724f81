//! An upload becomes batches: pure, and small in memory, since a million items may arrive.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::store::{Items, NewBatch};

/// Most members of one call of message/send.
/// <https://developer.work.weixin.qq.com/document/path/90236>
const BATCH_ITEMS_MAX: usize = 1_000;

/// Items as they arrive: 8 bytes and the user id for each.
#[derive(Default)]
pub(super) struct Plan {
    user_ids: String,
    /// Where each user id ends.
    ends: Vec<u32>,
    contents: Vec<u32>,
}

/// What an upload was cut into.
pub(super) struct Planned {
    /// The batches, in the order of their first items.
    pub(super) batches: Vec<NewBatch>,
    /// Items that get an outcome.
    pub(super) item_count: u32,
    /// Items that were folded into equal ones before them.
    pub(super) folded_item_count: u32,
}

/// What an item is to the rest of its upload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The only one of its member.
    Single,
    /// The member gets other messages too.
    Repeated,
    /// The member gets the same by an item before it.
    Folded,
}

impl Plan {
    /// Adds the next item: the content at `content` for a member. A user id has 64 bytes at
    /// most, and no `|`.
    pub(super) fn push(&mut self, user_id: &str, content: u32) {
        self.user_ids.push_str(user_id);
        let end =
            u32::try_from(self.user_ids.len()).expect("a million items of 64 bytes are 64 MB");
        self.ends.push(end);
        self.contents.push(content);
    }

    /// Items by now.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Cuts the items into batches of equal content.
    ///
    /// Members with several messages get batches of their own, so that waiting for their limit
    /// delays nobody else.
    pub(super) fn finish(self) -> Planned {
        self.cut(BATCH_ITEMS_MAX)
    }

    /// The same with batches of `most` items.
    pub(super) fn cut(self, most: usize) -> Planned {
        let kinds = self.kinds();
        let contents = self
            .contents
            .iter()
            .max()
            .map_or(0, |most| *most as usize + 1);
        // The batch that is being filled, by content and kind.
        let mut filling: Vec<[Option<usize>; 2]> = vec![[None; 2]; contents];
        let mut batches: Vec<NewBatch> = Vec::new();
        for (item, kind) in kinds.iter().enumerate() {
            let content = self.contents[item];
            let kind = match kind {
                Kind::Single => 0,
                Kind::Repeated => 1,
                Kind::Folded => continue,
            };
            let at = &mut filling[content as usize][kind];
            let batch = match *at {
                Some(batch) if batches[batch].items.indexes.len() < most => batch,
                _ => {
                    let items = Items::default();
                    batches.push(NewBatch { content, items });
                    batches.len() - 1
                }
            };
            *at = Some(batch);
            let items = &mut batches[batch].items;
            if !items.indexes.is_empty() {
                items.user_ids.push('|');
            }
            items.user_ids.push_str(self.user_id(item));
            items.indexes.push(number(item));
        }
        let folded = kinds.iter().filter(|kind| **kind == Kind::Folded).count();
        Planned {
            batches,
            item_count: number(kinds.len() - folded),
            folded_item_count: number(folded),
        }
    }

    /// Sorting by a hash brings the items of a member together without a table as large as the
    /// upload. The hash has a secret, so no upload can be made of ids that are equal by it; were
    /// two so by chance, the ids themselves are compared.
    fn kinds(&self) -> Vec<Kind> {
        let secret = RandomState::new();
        let mut items: Vec<(u64, u32)> = (0..self.len())
            .map(|item| (self.hash(&secret, item), number(item)))
            .collect();
        items.sort_unstable_by(|(hash, item), (other_hash, other)| {
            hash.cmp(other_hash)
                .then_with(|| self.compare(*item as usize, *other as usize))
                .then_with(|| self.contents[*item as usize].cmp(&self.contents[*other as usize]))
                .then_with(|| item.cmp(other))
        });
        let mut kinds = vec![Kind::Single; self.len()];
        let same = |(hash, item): &(u64, u32), (other_hash, other): &(u64, u32)| {
            hash == other_hash && self.compare(*item as usize, *other as usize).is_eq()
        };
        for member in items.chunk_by(same).filter(|items| items.len() > 1) {
            let mut last = None;
            let mut messages = 0;
            for (_, item) in member {
                let content = Some(self.contents[*item as usize]);
                kinds[*item as usize] = match last == content {
                    true => Kind::Folded,
                    false => Kind::Repeated,
                };
                messages += u32::from(last != content);
                last = content;
            }
            if messages == 1 {
                kinds[member[0].1 as usize] = Kind::Single;
            }
        }
        kinds
    }

    fn hash(&self, secret: &RandomState, item: usize) -> u64 {
        let mut hasher = secret.build_hasher();
        let mut lower = [0; 64];
        let id = self.user_id(item).as_bytes();
        for part in id.chunks(lower.len()) {
            let lower = &mut lower[..part.len()];
            lower.copy_from_slice(part);
            lower.make_ascii_lowercase();
            hasher.write(lower);
        }
        hasher.finish()
    }

    fn compare(&self, item: usize, other: usize) -> Ordering {
        let lower = |item| {
            self.user_id(item)
                .bytes()
                .map(|it: u8| it.to_ascii_lowercase())
        };
        lower(item).cmp(lower(other))
    }

    fn user_id(&self, item: usize) -> &str {
        let start = item.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.user_ids[start as usize..self.ends[item] as usize]
    }
}

fn number(of: usize) -> u32 {
    u32::try_from(of).expect("an upload has a million items at most")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn plan(items: &[(String, u32)]) -> Planned {
        let mut plan = Plan::default();
        for (user_id, content) in items {
            plan.push(user_id, *content);
        }
        plan.finish()
    }

    fn item() -> impl Strategy<Value = (String, u32)> {
        ("[abAB][a-b]{0,2}", 0..3_u32)
    }

    proptest! {
        #[test]
        fn everyone_once_and_in_order(items in prop::collection::vec(item(), 0..60)) {
            let planned = plan(&items);
            let mut messages = HashSet::new();
            let mut first_of_batch = None;
            for batch in &planned.batches {
                prop_assert!(batch.items.indexes.is_sorted());
                prop_assert!(first_of_batch < batch.items.indexes.first().copied());
                first_of_batch = batch.items.indexes.first().copied();
                prop_assert_eq!(batch.items.user_ids().count(), batch.items.indexes.len());
                for (id, index) in batch.items.user_ids().zip(&batch.items.indexes) {
                    let (uploaded, content) = &items[*index as usize];
                    prop_assert_eq!(id, uploaded);
                    prop_assert_eq!(batch.content, *content);
                    prop_assert!(messages.insert((id.to_ascii_lowercase(), *content)));
                    let earlier = items[..*index as usize].iter().any(|(other, with)| {
                        other.eq_ignore_ascii_case(id) && with == content
                    });
                    prop_assert!(!earlier, "it folds into the first");
                }
            }
            let wanted: HashSet<_> = items
                .iter()
                .map(|(id, content)| (id.to_ascii_lowercase(), *content))
                .collect();
            prop_assert_eq!(planned.item_count as usize, messages.len());
            prop_assert_eq!(planned.folded_item_count as usize, items.len() - messages.len());
            prop_assert_eq!(messages, wanted);
        }

        #[test]
        fn members_with_several_messages_travel_apart(
            items in prop::collection::vec(item(), 0..60),
        ) {
            let planned = plan(&items);
            let messages = |id: &str| {
                let same = |other: &str| other.eq_ignore_ascii_case(id);
                let contents = items.iter().filter(|(other, _)| same(other));
                contents.map(|(_, content)| content).collect::<HashSet<_>>().len()
            };
            for batch in &planned.batches {
                let kinds: HashSet<_> =
                    batch.items.user_ids().map(|id| messages(id) > 1).collect();
                prop_assert_eq!(kinds.len(), 1);
            }
        }
    }

    #[test]
    fn no_batch_is_over_the_limit() {
        let items: Vec<_> = (0..2_500).map(|at| (format!("u{at}"), at % 2)).collect();
        let planned = plan(&items);
        let sizes: Vec<_> = planned
            .batches
            .iter()
            .map(|batch| (batch.content, batch.items.indexes.len()))
            .collect();
        assert_eq!(sizes, [(0, 1_000), (1, 1_000), (0, 250), (1, 250)]);
    }

    #[test]
    #[ignore = "a measurement: cargo test --release million -- --ignored --nocapture"]
    #[expect(clippy::disallowed_types, clippy::disallowed_macros)]
    fn a_million_items() {
        let began = std::time::Instant::now();
        let mut plan = Plan::default();
        for item in 0..1_000_000 {
            plan.push(&format!("member{item}"), 0);
        }
        let pushed = began.elapsed();
        let planned = plan.finish();
        assert_eq!(planned.batches.len(), 1_000);
        println!("pushed in {pushed:?}, cut by {:?}", began.elapsed());
    }
}
