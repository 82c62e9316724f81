use crate::store::NewBatch;
#[derive(Default)]
pub(super) struct Plan {}
pub(super) struct Planned {
    pub item_count: u32,
    pub folded_item_count: u32,
    pub batches: Vec<NewBatch>,
}
impl Plan {
    pub fn len(&self) -> usize {
        0
    }
    pub fn push(&mut self, _u: &str, _c: u32) {}
    pub fn finish(self) -> Planned {
        Planned {
            item_count: 0,
            folded_item_count: 0,
            batches: vec![],
        }
    }
}
