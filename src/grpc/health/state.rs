//! What the process says of itself: a few named flags, watched by whoever asks.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

/// The name of the overall answer; an alias of [`READINESS`].
const OVERALL: &str = "";
const READINESS: &str = "readiness";
const LIVENESS: &str = "liveness";
const STARTUP: &str = "startup";

/// The process's health, shared by clones.
///
/// Names: `""` and `readiness` (take traffic), `liveness` (the runtime moves), `startup` (start has
/// ended), and one per RPC service. An RPC service serves while its own flag and readiness are set.
#[derive(Debug, Clone)]
pub struct State {
    snapshots: Arc<watch::Sender<Snapshot>>,
}

#[derive(Debug, Default)]
pub(super) struct Snapshot {
    flags: BTreeMap<String, bool>,
    draining: bool,
}

impl Snapshot {
    pub(super) fn draining(&self) -> bool {
        self.draining
    }

    /// `None` for a name nobody has set.
    pub(super) fn is_serving(&self, name: &str) -> Option<bool> {
        let name = canonical(name);
        let flag = self.flags.get(name).copied()?;
        let ready = || self.flags.get(READINESS).copied().unwrap_or(false) && !self.draining;
        Some(match name {
            LIVENESS | STARTUP => flag,
            _ => flag && ready(),
        })
    }
}

fn canonical(name: &str) -> &str {
    if name == OVERALL { READINESS } else { name }
}

impl State {
    /// A process that is alive, not started, not ready, and whose `services` (full names, as
    /// `wecomgw.v1.MessageService`) will serve as soon as it is ready.
    #[must_use]
    pub fn new<'a>(services: impl IntoIterator<Item = &'a str>) -> Self {
        let own = [(LIVENESS, true), (READINESS, false), (STARTUP, false)];
        let services = services.into_iter().map(|name| (name, true));
        let flags = own.into_iter().chain(services);
        let flags = flags.map(|(name, flag)| (name.to_owned(), flag)).collect();
        let snapshot = Snapshot {
            flags,
            draining: false,
        };
        Self {
            snapshots: Arc::new(watch::Sender::new(snapshot)),
        }
    }

    /// Sets one name's flag; a new name becomes known by it. Watchers hear of a change at once.
    pub fn set(&self, name: &str, serving: bool) {
        let name = canonical(name);
        self.snapshots.send_if_modified(|snapshot| {
            if snapshot.flags.get(name) == Some(&serving) {
                return false;
            }
            snapshot.flags.insert(name.to_owned(), serving);
            true
        });
    }

    /// The first step of a shutdown, never taken back: everything but `liveness` and `startup`
    /// is NOT_SERVING, and open watches end.
    pub fn set_draining(&self) {
        self.snapshots
            .send_if_modified(|snapshot| !std::mem::replace(&mut snapshot.draining, true));
    }

    /// What `Check` answers for `name`: `None` is NOT_FOUND.
    #[must_use]
    pub fn is_serving(&self, name: &str) -> Option<bool> {
        self.snapshots.borrow().is_serving(name)
    }

    /// For `/livez`: nothing, or why the process should be restarted.
    ///
    /// # Errors
    ///
    /// The runtime has stopped moving.
    pub fn live(&self) -> Result<(), &'static str> {
        match self.is_serving(LIVENESS) {
            Some(true) => Ok(()),
            _ => Err("the runtime is stuck"),
        }
    }

    /// For `/readyz`: nothing, or why the process takes no traffic.
    ///
    /// # Errors
    ///
    /// The process is starting or shutting down.
    pub fn ready(&self) -> Result<(), &'static str> {
        let snapshot = self.snapshots.borrow();
        match snapshot.is_serving(READINESS) {
            Some(true) => Ok(()),
            _ if snapshot.draining => Err("shutting down"),
            _ => Err("not ready"),
        }
    }

    pub(super) fn set_live(&self, live: bool) {
        self.set(LIVENESS, live);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Snapshot> {
        self.snapshots.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_serves_only_while_the_process_is_ready() {
        let state = State::new(["a.B"]);
        assert_eq!(state.is_serving("a.B"), Some(false));
        state.set("readiness", true);
        assert_eq!(state.is_serving("a.B"), Some(true));
        assert_eq!(state.is_serving(""), Some(true));
        state.set("a.B", false);
        assert_eq!(state.is_serving("a.B"), Some(false));
        assert_eq!(state.is_serving(""), Some(true));
    }

    #[test]
    fn draining_leaves_liveness_and_startup_alone() {
        let state = State::new(["a.B"]);
        state.set("readiness", true);
        state.set("startup", true);
        state.set_draining();
        state.set("readiness", true);
        assert_eq!(state.ready(), Err("shutting down"));
        assert_eq!(state.is_serving("a.B"), Some(false));
        assert_eq!(state.is_serving("startup"), Some(true));
        assert_eq!(state.live(), Ok(()));
    }
}
