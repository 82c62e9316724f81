//! What is wrong with a field of a request.

/// One broken rule. A check collects them all, so that a caller mends a
/// request in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, spelled as in the gateway's contract:
    /// `content.text.content`, `recipients.user_ids[3]`.
    pub field: String,
    /// The rule with the limit and the actual value, for a human.
    pub description: String,
}

impl Violation {
    /// A violation of the field at `field`.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
        }
    }
}
