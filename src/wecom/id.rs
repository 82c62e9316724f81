//! The ids that callers choose or pass on, and what WeCom lets them look like.

use std::fmt;
use std::hash::{Hash, Hasher};

/// Longest user id (成员账号) in bytes.
///
/// Source: <https://developer.work.weixin.qq.com/document/path/90195>, `userid`.
pub const USER_ID_MAX_BYTES: usize = 64;
/// Longest id of an app chat (群聊) in bytes.
///
/// Source: <https://developer.work.weixin.qq.com/document/path/90245>, `chatid`.
pub const CHAT_ID_MAX_BYTES: usize = 32;
/// Longest task id of a card, and longest key of a task card's button, in bytes.
///
/// Source: <https://developer.work.weixin.qq.com/document/path/90236>, `task_id`.
pub const TASK_ID_MAX_BYTES: usize = 128;

/// Longest state of a login in bytes.
///
/// Source: <https://developer.work.weixin.qq.com/document/path/91022>, `state`.
pub const LOGIN_STATE_MAX_BYTES: usize = 128;

/// WeCom's word for everyone, which is no user id.
pub const EVERYONE: &str = "@all";

/// What is wrong with an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is empty.
    Empty,
    /// It is too long; both in bytes.
    TooLong {
        /// Its length.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// It contains a character that the id may not have.
    Character {
        /// Byte position of the first such character.
        position: usize,
        /// What is allowed.
        allowed: &'static str,
    },
    /// It does not begin with a letter or digit.
    Beginning,
    /// It says `@all`.
    Everyone,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "required"),
            Self::TooLong { actual, limit } => write!(f, "{actual} bytes, the limit is {limit}"),
            Self::Character { position, allowed } => {
                write!(
                    f,
                    "only {allowed} are allowed, byte {position} is another character"
                )
            }
            Self::Beginning => write!(f, "must begin with a letter or digit"),
            Self::Everyone => write!(f, "`{EVERYONE}` is not a user id: set everyone instead"),
        }
    }
}

impl std::error::Error for Fault {}

/// A user id: 1 to 64 bytes of letters, digits, `_`, `-`, `@`, `.`, beginning
/// with a letter or digit. Upper and lower case are the same member.
pub fn user_id(value: &str) -> Result<(), Fault> {
    if value == EVERYONE {
        return Err(Fault::Everyone);
    }
    made_of(
        value,
        USER_ID_MAX_BYTES,
        "letters, digits and `_`, `-`, `@`, `.`",
        |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'@' | b'.'),
    )?;
    if value.as_bytes()[0].is_ascii_alphanumeric() {
        Ok(())
    } else {
        Err(Fault::Beginning)
    }
}

/// A chat id: 1 to 32 letters and digits.
pub fn chat_id(value: &str) -> Result<(), Fault> {
    made_of(value, CHAT_ID_MAX_BYTES, "letters and digits", |byte| {
        byte.is_ascii_alphanumeric()
    })
}

/// A task id, or the key of a task card's button: 1 to 128 bytes of letters,
/// digits, `_`, `-`, `@`.
pub fn task_id(value: &str) -> Result<(), Fault> {
    made_of(
        value,
        TASK_ID_MAX_BYTES,
        "letters, digits and `_`, `-`, `@`",
        |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'@'),
    )
}

/// The state of a login: 1 to 128 letters and digits.
pub fn login_state(value: &str) -> Result<(), Fault> {
    made_of(value, LOGIN_STATE_MAX_BYTES, "letters and digits", |byte| {
        byte.is_ascii_alphanumeric()
    })
}

fn made_of(
    value: &str,
    limit: usize,
    allowed: &'static str,
    allows: impl Fn(u8) -> bool,
) -> Result<(), Fault> {
    if value.is_empty() {
        return Err(Fault::Empty);
    }
    // The length first: an id of a megabyte is not worth reading.
    if value.len() > limit {
        let actual = value.len();
        return Err(Fault::TooLong { actual, limit });
    }
    match value.bytes().position(|byte| !allows(byte)) {
        Some(position) => Err(Fault::Character { position, allowed }),
        None => Ok(()),
    }
}

/// A user id as WeCom compares it: upper and lower case are the same.
#[derive(Debug, Clone, Copy)]
pub struct Caseless<'a>(pub &'a str);

impl PartialEq for Caseless<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Caseless<'_> {}

impl Hash for Caseless<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn user_ids_follow_the_directory() {
        for good in ["a", "9", "Li.Si", "wang-wu@corp_1", &"x".repeat(64)] {
            assert_eq!(user_id(good), Ok(()), "{good}");
        }
        assert_eq!(user_id(""), Err(Fault::Empty));
        assert_eq!(user_id("@all"), Err(Fault::Everyone));
        assert_eq!(
            user_id(&"x".repeat(65)),
            Err(Fault::TooLong {
                actual: 65,
                limit: 64
            })
        );
        for bad in ["_a", "-a", ".a", "@a"] {
            assert_eq!(user_id(bad), Err(Fault::Beginning), "{bad}");
        }
        for bad in [
            "a|b",
            "a b",
            "a\n",
            "a\0",
            "a,b",
            "张三",
            "a\u{200b}",
            "a\u{202e}b",
        ] {
            assert!(
                matches!(user_id(bad), Err(Fault::Character { .. })),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn chat_and_task_ids_have_their_own_alphabets() {
        assert_eq!(chat_id(&"Z9".repeat(16)), Ok(()));
        assert!(chat_id(&"Z".repeat(33)).is_err());
        assert!(chat_id("a-b").is_err());
        assert_eq!(task_id(&"_-@a".repeat(32)), Ok(()));
        assert!(task_id(&"a".repeat(129)).is_err());
        assert!(task_id("a.b").is_err());
        assert_eq!(login_state(&"Z9".repeat(64)), Ok(()));
        assert!(login_state(&"Z".repeat(129)).is_err());
        assert!(login_state("a-b").is_err());
    }

    proptest! {
        #[test]
        fn no_accepted_user_id_can_split_or_escape(id in any::<String>()) {
            if user_id(&id).is_ok() {
                prop_assert!(!id.contains(['|', '"', '\\']) && id.is_ascii());
                prop_assert_eq!(serde_json::to_string(&id).expect("a string"), format!("\"{id}\""));
            }
        }
    }
}
