//! Processes of the bench, and what the kernel says of them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// Runs one process's work.
pub(crate) fn block_on(work: impl Future<Output = Outcome<()>>) -> Outcome<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Tells the parent a line.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A parent that is gone ends this process soon enough.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Tells the parent where this process listens.
pub(crate) fn ready(address: &str) {
    say(address);
}

/// Resolves on SIGTERM.
pub(crate) async fn terminated() {
    let kind = tokio::signal::unix::SignalKind::terminate();
    if let Ok(mut signal) = tokio::signal::unix::signal(kind) {
        signal.recv().await;
    }
}

/// A process that ends with its owner.
pub(crate) struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout),
        })
    }

    /// This very program with other arguments.
    pub(crate) fn own(arguments: &[&str]) -> Outcome<Self> {
        Self::start(Command::new(std::env::current_exe()?).args(arguments))
    }

    pub(crate) fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err("a process of the bench ended early".into());
        }
        Ok(line.trim_end().to_owned())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it by SIGTERM and waits.
    pub(crate) fn terminate(mut self) -> Outcome<()> {
        Command::new("kill").arg(self.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn wait(mut self) -> Outcome<()> {
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{status}").into())
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nanoseconds that each thread of a process was on a CPU.
pub(crate) fn cpu(id: u32) -> Outcome<HashMap<OsString, u64>> {
    let mut threads = HashMap::new();
    for task in std::fs::read_dir(format!("/proc/{id}/task"))? {
        let task = task?;
        // A thread may end between the listing and the look.
        let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else {
            continue;
        };
        let nanoseconds = text.split(' ').next().ok_or("schedstat")?.parse()?;
        threads.insert(task.file_name(), nanoseconds);
    }
    Ok(threads)
}

/// Time on a CPU between two looks, of the threads that are still there.
pub(crate) fn cpu_between(
    before: &HashMap<OsString, u64>,
    after: &HashMap<OsString, u64>,
) -> Duration {
    let used = |(thread, now): (&OsString, &u64)| now - before.get(thread).unwrap_or(&0);
    Duration::from_nanos(after.iter().map(used).sum())
}

/// A line of /proc/ID/status in KiB: `VmRSS` now, `VmHWM` at most.
pub(crate) fn memory_kib(id: u32, key: &str) -> Outcome<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text
        .lines()
        .find(|line| line.starts_with(key))
        .ok_or("no such line")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

/// The shipped binary, serving on free ports, with the address of its gRPC door.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) address: String,
}

/// The binary that cargo built beside this bench.
pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_wecomgw"))
}

/// Writes a configuration; the ports are taken first, so that they are known.
pub(crate) fn configuration(folder: &Path, upstream: &str) -> Outcome<(PathBuf, String, String)> {
    let free = || -> Outcome<String> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        Ok(listener.local_addr()?.to_string())
    };
    let (grpc, health, admin) = (free()?, free()?, free()?);
    let path = folder.join("bench.toml");
    let text = format!(
        "[grpc]\nlisten = \"{grpc}\"\ndrain_accept = \"0s\"\n[health]\nlisten = \"{health}\"\n[admin]\nlisten = \"{admin}\"\n\
         [store]\nurl = \"sqlite:{}\"\n[wecom]\nbase_url = \"{upstream}\"\n[telemetry]\nlevel = \"warn\"\n\
         [[apps]]\nname = \"bench\"\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1000002\nsecret = \"bench\"\n",
        folder.join("bench.db").display(),
    );
    std::fs::write(&path, text)?;
    Ok((path, grpc, health))
}

impl Gateway {
    pub(crate) fn start(folder: &Path, upstream: &str, wrapper: &[&str]) -> Outcome<Self> {
        let (path, grpc, _) = configuration(folder, upstream)?;
        let mut words: Vec<OsString> = wrapper.iter().map(Into::into).collect();
        words.extend([
            binary().into(),
            "serve".into(),
            "--config".into(),
            path.into(),
        ]);
        let mut command = Command::new(&words[0]);
        let process = Process::start(command.args(&words[1..]))?;
        wait_for(&grpc)?;
        Ok(Self {
            process,
            address: format!("http://{grpc}"),
        })
    }
}

/// Waits until something accepts on `address`.
pub(crate) fn wait_for(address: &str) -> Outcome<()> {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if std::net::TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(format!("nothing listens on {address}").into())
}
