//! What a gateway does beside its calls: it looks after its store.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::routes::service_name;
use crate::grpc::pb::bulk_service_server::BulkServiceServer;
use crate::grpc::{BulkService, health};
use crate::store::{REQUEST_ID_LIFE, Store};

/// How often the store is asked whether it is there.
const STORE_LOOK: Duration = Duration::from_secs(5);
/// How often old request ids and logins are swept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);

/// Tells the health of bulk sends, which without the store cannot be. The rest goes on.
pub(super) async fn watch_store(store: Store, health: health::State, shutdown: CancellationToken) {
    let name = service_name::<BulkServiceServer<BulkService>>();
    let look = async || {
        let here = store.ping().await;
        if let Err(error) = &here {
            tracing::warn!("the store does not answer: {error}");
        }
        health.set(&name, here.is_ok());
        tokio::time::sleep(STORE_LOOK).await;
    };
    while shutdown.run_until_cancelled(look()).await.is_some() {}
}

pub(super) async fn sweep(store: Store, shutdown: CancellationToken) {
    while shutdown
        .run_until_cancelled(tokio::time::sleep(SWEEP_INTERVAL))
        .await
        .is_some()
    {
        let now = std::time::SystemTime::now();
        let since = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let oldest = since.saturating_sub(REQUEST_ID_LIFE);
        if let Err(error) = store.expire(millis(oldest)).await {
            tracing::warn!("cannot sweep old request ids: {error}");
        }
        if let Err(error) = store.expire_jobs(millis(since)).await {
            tracing::warn!("cannot sweep old bulk jobs: {error}");
        }
        if let Err(error) = store.expire_logins(millis(since)).await {
            tracing::warn!("cannot sweep old logins: {error}");
        }
    }
}
