//! Ways to die on purpose, for the tests that kill the gateway at every point where it matters.
//! They are in debug builds only; a release passes each point without a look.

/// A point between two steps that the store or WeCom can see.
#[cfg(not(debug_assertions))]
pub(super) const fn point(_name: &str) {}

/// Before the call for these members.
#[cfg(not(debug_assertions))]
pub(super) const fn call(_user_ids: &str) {}

#[cfg(debug_assertions)]
pub(super) use armed::{call, point};

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Trap {
        /// The name of a point, or which of all points in a row, counted from 1.
        abort_at: Option<String>,
        /// A member for whom sending panics.
        panic_on: Option<String>,
        passed: AtomicU64,
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a setting would be in releases, and in the manual"
    )]
    static TRAP: LazyLock<Trap> = LazyLock::new(|| Trap {
        abort_at: std::env::var("TORTURE_ABORT_AT").ok(),
        panic_on: std::env::var("TORTURE_PANIC_ON").ok(),
        passed: AtomicU64::new(0),
    });

    pub(in crate::bulk) fn point(name: &str) {
        let Some(abort_at) = &TRAP.abort_at else {
            return;
        };
        let passed = TRAP.passed.fetch_add(1, Ordering::Relaxed) + 1;
        if *abort_at == name || abort_at.parse() == Ok(passed) {
            std::process::abort();
        }
    }

    pub(in crate::bulk) fn call(user_ids: &str) {
        if let Some(user) = &TRAP.panic_on {
            assert!(user_ids.split('|').all(|id| id != user), "a trap");
        }
    }
}
