//! What 20 MiB cost a gateway of memory, asked of the kernel.

use super::*;
use crate::harness::{Process, SandboxHandle};

const SIZE: usize = 20 << 20;
/// Most growth while a file goes through.
const GROWTH_KIB: u64 = 4 * 1024;

/// A line of `/proc/<pid>/status`, in KiB.
fn memory(process: &Process, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let value = status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let number = value.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

/// How much the process grew at the highest while `work` ran.
async fn growth<T>(process: &Process, work: impl Future<Output = T>) -> (T, u64) {
    // "5" sets the high-water mark to what is held now (proc_pid_clear_refs(5)).
    std::fs::write(format!("/proc/{}/clear_refs", process.id()), "5").unwrap();
    let before = memory(process, "VmRSS");
    let result = work.await;
    (result, memory(process, "VmHWM").saturating_sub(before))
}

#[tokio::test]
async fn twenty_mebibytes_up_and_down_take_less_than_four() {
    let sandbox = SandboxHandle::start().await;
    let process = Process::start(&sandbox).await;
    let bytes = noise(SIZE);
    // Connections, threads and buffers that stay are not the file's.
    let warm = upload(
        process.media(),
        MediaKind::File,
        "small.bin",
        &bytes[..1 << 20],
    )
    .await;
    let warm = warm.unwrap().media_id;
    download(process.media(), &warm).await.unwrap();

    let mut grown = Vec::new();
    let mut ids = Vec::new();
    for (name, declared, chunk) in [
        ("declared.bin", SIZE, 256 * 1024),
        ("undeclared.bin", 0, 256 * 1024),
        ("large chunks.bin", 0, 1024 * 1024),
    ] {
        let header = pb::UploadMediaHeader {
            size_bytes: declared as u32,
            ..header(MediaKind::File, name)
        };
        let up = upload_as(process.media(), header, &bytes, chunk);
        let (reply, growth) = growth(&process, up).await;
        ids.push(reply.unwrap().media_id);
        grown.push((name, growth));
    }
    let (down, growth) = growth(&process, download(process.media(), &ids[0])).await;
    grown.push(("download", growth));
    let down = down.unwrap();
    process.kill();
    assert!(down.end.is_ok() && down.bytes == bytes);
    for (what, growth) in &grown {
        assert!(*growth < GROWTH_KIB, "{what}: {grown:?} KiB");
    }
}
