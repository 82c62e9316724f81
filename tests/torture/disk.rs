//! R18 a disk that is full, and one that fails. SQLite only: PostgreSQL answers for its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tonic::Code;

use crate::caller::{Caller, Order};
use crate::world::World;

/// The disk, and what of it is taken by something else at first.
const DISK_MIB: u32 = 16;
const BALLAST_BYTES: usize = 8 * 1024 * 1024;
/// Items of an upload.
const ITEMS: usize = 50_000;
/// From this fdatasync on all fail.
const FIRST_FAILURE: u32 = 25;

/// A file system of its own, in memory.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Self {
        let size = format!("size={DISK_MIB}m");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder)
            .status();
        assert!(status.unwrap().success(), "mounting a tmpfs needs root");
        Self(folder.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root"]
async fn r18_full() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::mount(folder.path());
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![0; BALLAST_BYTES]).unwrap();
    let world = World::in_file(Some(disk.0.clone()), ITEMS);
    world.witness.set(json!({"member_limits": false})).await;
    // Nothing ends and frees its place meanwhile.
    let slow = json!({"kind": "latency_ms", "latency_ms": 400});
    world.witness.fault(slow, json!({})).await;
    let (mut gateway, mut caller) = world.running().await;
    let mut accepted = Vec::new();
    let refused = loop {
        let order = Order::new(&format!("R18 job {}", accepted.len()), 0..ITEMS);
        match caller.upload(&order).await {
            Ok(first) => accepted.push((order, first.job_id)),
            Err(status) => break status,
        }
        assert!(accepted.len() < 90, "the disk does not fill");
    };
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert!(gateway.ended().is_none(), "the gateway went down");
    std::fs::remove_file(&ballast).unwrap();
    world.witness.no_faults().await;
    let mut jobs = Vec::new();
    for (order, job_id) in &accepted {
        jobs.push(caller.export(order, job_id).await);
    }
    let late = Order::new("R18 late", 0..10);
    jobs.push(caller.run(&late).await);
    assert!(gateway.ended().is_none(), "the gateway went down");
    world.verify(&jobs);
    println!(
        "R18 full disk: job {} of {ITEMS} items was refused with RESOURCE_EXHAUSTED; with space again all {} others end, and new ones are taken, without a restart; I1-I4 hold",
        accepted.len() + 1,
        accepted.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs strace"]
async fn r18_eio() {
    let world = World::in_file(None, 200);
    world
        .witness
        .fault(json!({"kind": "latency_ms", "latency_ms": 20}), json!({}))
        .await;
    let mut gateway = world.gateway("gateway");
    gateway.wrapper = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        &format!("inject=fsync,fdatasync:error=EIO:when={FIRST_FAILURE}+"),
    ]
    .map(str::to_owned)
    .into();
    gateway.start().await;
    let mut caller = Caller::new(&[gateway.address]);
    let mut order = Order::new("R18 EIO", 0..200);
    for (number, (_, own)) in order.items.iter_mut().enumerate() {
        *own = Some(format!("R18 EIO batch {number}"));
    }
    let accepted = caller.upload(&order).await;
    let status = gateway.end().await;
    assert!(!status.success(), "{status}");
    let sent = world.witness.calls();
    gateway.wrapper.clear();
    gateway.start().await;
    let job = match &accepted {
        Ok(first) => caller.export(&order, &first.job_id).await,
        Err(_) => caller.run(&order).await,
    };
    world.verify([&job]);
    println!(
        "R18 EIO: fsync failed {}, the process ended with {status} after {sent} calls; the next start sent the rest; I1-I4 hold",
        if accepted.is_ok() {
            "in the middle of a job"
        } else {
            "while a job was accepted"
        }
    );
}
