//! How fields of the directory are read: what is odd in one of them must not cost the
//! caller a list of thousands.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// `null` is the same as absent.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A number, or a string that is one; 0 for anything else.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Number::deserialize(deserializer).map(|Number(number)| number)
}

/// A list of such numbers.
pub(super) fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let numbers: Vec<Number> = or_default(deserializer)?;
    Ok(numbers.into_iter().map(|Number(number)| number).collect())
}

struct Number(u32);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| u32::try_from(number).ok());
        Ok(Self(number.unwrap_or_default()))
    }
}
