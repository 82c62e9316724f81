//! Secrets that change while the process runs. Files are read again every few seconds and
//! compared by content, since Kubernetes replaces a mounted folder by turning one symlink,
//! which no file's own time or notice shows.
//!
//! A room gives the files and what to do with them. A new content that does not serve is
//! counted and tried again; until it serves, the old one does.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest rest between two tries of a content that does not serve. It begins at the
/// interval and doubles: WeCom bans an address that shows it a bad secret too often.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// Section `[reload]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How often the files of secrets are compared. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

/// What takes a new content in, or says why not without telling the secret.
pub type Apply = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send>;

/// A secret in files.
pub struct Secret {
    name: String,
    files: Vec<PathBuf>,
    apply: Apply,
    /// Hash of the content that serves.
    serving: [u8; 32],
    /// The content that does not, until when it rests, and how long next.
    failed: Option<([u8; 32], Instant, Duration)>,
}

impl Secret {
    /// A secret whose files were read just now.
    pub fn new(name: String, files: Vec<PathBuf>, apply: Apply) -> Self {
        Self {
            serving: fingerprint(&files),
            name,
            files,
            apply,
            failed: None,
        }
    }

    async fn look(&mut self, interval: Duration, counts: &Metrics) {
        let found = fingerprint(&self.files);
        if found == self.serving {
            self.failed = None;
            return;
        }
        let mut rest = interval;
        let mut known = false;
        if let Some((content, until, next)) = self.failed
            && content == found
        {
            if Instant::now() < until {
                return;
            }
            (rest, known) = (next, true);
        }
        let name = &self.name;
        match (self.apply)().await {
            Ok(()) => {
                (self.serving, self.failed) = (found, None);
                counts.count(name, "ok");
                tracing::info!("secret {name} was replaced");
            }
            Err(fault) => {
                let next = (rest * 2).min(LONGEST_REST);
                self.failed = Some((found, Instant::now() + rest, next));
                counts.count(name, "failed");
                if !known {
                    tracing::error!("secret {name} was not replaced, the old one serves: {fault}");
                }
            }
        }
    }
}

/// `wecomgw_secret_reload_total`.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Family<Labels, Counter>);

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    name: String,
    result: &'static str,
}

impl Metrics {
    /// Registered; a secret that is not to be replaced has no series.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let this = Self::default();
        registry.register(
            "wecomgw_secret_reload",
            "New contents of secret files: taken, or refused while the old one serves",
            this.0.clone(),
        );
        this
    }

    fn count(&self, name: &str, result: &'static str) {
        let name = name.to_owned();
        self.0.get_or_create(&Labels { name, result }).inc();
    }
}

/// Compares until `shutdown`.
pub async fn run(
    settings: Settings,
    mut secrets: Vec<Secret>,
    counts: Metrics,
    shutdown: CancellationToken,
) {
    let Settings { interval } = settings;
    let rest = || shutdown.run_until_cancelled(tokio::time::sleep(interval));
    while rest().await.is_some() {
        for secret in &mut secrets {
            secret.look(interval, &counts).await;
        }
    }
}

/// Of all files together. A file that cannot be read counts as a content of its own.
fn fingerprint(files: &[PathBuf]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for file in files {
        match fs::read(file) {
            Ok(bytes) => {
                hash.update([1]);
                hash.update(Sha256::digest(bytes));
            }
            Err(_) => hash.update([0]),
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_content_that_does_not_serve_rests_longer_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "good").unwrap();
        let tries = Arc::new(AtomicUsize::new(0));
        let apply: Apply = {
            let (tries, file) = (tries.clone(), file.clone());
            Box::new(move || {
                tries.fetch_add(1, Ordering::SeqCst);
                let good = fs::read(&file).unwrap().starts_with(b"good");
                Box::pin(async move { good.then_some(()).ok_or_else(|| "bad".to_owned()) })
            })
        };
        let counts = Metrics::default();
        let secret = Secret::new("app/secret".into(), vec![file.clone()], apply);
        let stop = CancellationToken::new();
        let settings = Settings { interval: INTERVAL };
        let running = tokio::spawn(run(settings, vec![secret], counts.clone(), stop.clone()));
        let after = async |intervals: u32| {
            tokio::time::sleep(INTERVAL * intervals).await;
            tries.load(Ordering::SeqCst)
        };
        tokio::time::sleep(INTERVAL / 2).await;
        assert_eq!(after(3).await, 0, "nothing has changed");
        fs::write(&file, "bad").unwrap();
        assert_eq!(after(1).await, 1);
        assert_eq!(after(1).await, 2);
        assert_eq!(after(1).await, 2, "now it rests twice as long");
        assert_eq!(after(1).await, 3);
        fs::write(&file, "good again").unwrap();
        assert_eq!(after(1).await, 4);
        assert_eq!(after(5).await, 4);
        let total = |result| {
            let name = "app/secret".to_owned();
            counts.0.get_or_create_owned(&Labels { name, result }).get()
        };
        assert_eq!((total("failed"), total("ok")), (3, 1));
        stop.cancel();
        running.await.unwrap();
    }
}
