//! A PostgreSQL server for tests: a real one, with its own folder and port, which is gone when
//! the process is, however it ends. Knows nothing of the gateway; include it with `#[path]`.

#![allow(dead_code, reason = "no one user needs all of it")]
#![allow(unreachable_pub, reason = "its users stand in different places")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Of the server's only user.
const PASSWORD: &str = "hunter2";

/// A server that runs as long as this lives, and no longer than the process.
pub(crate) struct Server {
    binaries: PathBuf,
    folder: PathBuf,
    port: u16,
    keeper: Child,
}

/// The server of this process, which its tests share. One that is to be harmed should be
/// started apart.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    /// Makes an empty server and starts it.
    pub(crate) fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let binaries = binaries();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wecomgw-postgres-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("it has an address").port();
        drop(free);
        run(unprivileged("sh").args(["-ec", PREPARE, "sh"]).args([
            binaries.as_os_str(),
            folder.as_os_str(),
            PASSWORD.as_ref(),
            port.to_string().as_ref(),
        ]));
        // Its input ends when this process does, even by SIGKILL. A group of its own, so that
        // Ctrl-C ends the tests, and it then ends the server.
        let mut keeper = unprivileged("sh");
        keeper.args(["-c", KEEP, "sh"]).args([&binaries, &folder]);
        let keeper = keeper
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        Self {
            binaries,
            folder,
            port,
            keeper,
        }
    }

    /// The URL of a new, empty database.
    pub(crate) fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.query("postgres", &format!("CREATE DATABASE {name}"));
        format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/{name}",
            self.port
        )
    }

    /// Breaks every connection, recovers from the log like after a crash, and serves again.
    pub(crate) fn crash_and_restart(&self) {
        self.control("restart");
    }

    /// Ends it as a crash would.
    pub(crate) fn stop(&self) {
        self.control("stop");
    }

    /// Serves again after [`Server::stop`].
    pub(crate) fn start_again(&self) {
        self.control("start");
    }

    fn control(&self, what: &str) {
        let data = self.folder.join("data");
        let immediate: &[&str] = match what {
            "start" => &[],
            _ => &["-m", "immediate"],
        };
        run(unprivileged(self.binaries.join("pg_ctl"))
            .arg("-D")
            .arg(data)
            // Or the server would keep our end of the pipe.
            .arg("-l")
            .arg(self.folder.join("server.log"))
            .args(["-w", "-s", what])
            .args(immediate));
    }

    /// Takes TLS from now on, and plain connections as before.
    pub(crate) fn enable_tls(&self, certificate: &str, key: &str) {
        let write =
            r#"umask 077; printf %s "$2" > "$1/server.crt"; printf %s "$3" > "$1/server.key""#;
        let data = self.folder.join("data");
        run(unprivileged("sh")
            .args(["-ec", write, "sh"])
            .arg(data)
            .args([certificate, key]));
        self.query("postgres", "ALTER SYSTEM SET ssl = on");
        self.query("postgres", "SELECT pg_reload_conf()");
    }

    /// Lets the connections to a database hang, without a word, until [`Server::thaw`].
    pub(crate) fn freeze(&self, database: &str) -> Vec<String> {
        let sql = format!("SELECT pid FROM pg_stat_activity WHERE datname = '{database}'");
        let processes = self.query("postgres", &sql);
        let processes: Vec<_> = processes.lines().map(str::to_owned).collect();
        run(unprivileged("sh")
            .args(["-ec", r#"kill -s STOP "$@""#, "sh"])
            .args(&processes));
        processes
    }

    /// Lets them go on.
    pub(crate) fn thaw(&self, processes: &[String]) {
        run(unprivileged("sh")
            .args(["-ec", r#"kill -s CONT "$@""#, "sh"])
            .args(processes));
    }

    /// What psql prints for a statement, bare.
    pub(crate) fn query(&self, database: &str, sql: &str) -> String {
        run(Command::new(self.binaries.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-U", "postgres", "-d", database, "-c", sql])
            .env("PGPASSWORD", PASSWORD))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Commits reach the disk, as they do in production. Passwords are asked for over TCP.
const PREPARE: &str = r#"
    umask 077
    mkdir "$2"
    cd "$2"
    printf %s "$3" > password
    "$1/initdb" -D "$2/data" -U postgres -E UTF8 --locale=C.UTF-8 --auth-local=trust \
        --auth-host=scram-sha-256 --pwfile=password > initdb.log
    cat >> data/postgresql.conf <<END
port = $4
listen_addresses = '127.0.0.1'
unix_socket_directories = '$2'
fsync = on
max_connections = 200
END
    "$1/pg_ctl" -D "$2/data" -l "$2/server.log" -w -s start > /dev/null
"#;

const KEEP: &str = r#"
    cat > /dev/null
    "$1/pg_ctl" -D "$2/data" -m immediate -w -s stop
    rm -rf "$2"
"#;

/// The newest version that is installed, where Debian puts it or in the PATH.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("initdb").exists())
        .collect();
    versions.sort();
    if let Some((_, folder)) = versions.pop() {
        return folder;
    }
    let path = Command::new("sh")
        .args(["-c", "dirname \"$(command -v initdb)\""])
        .output();
    let path = path.expect("sh runs").stdout;
    let folder = PathBuf::from(String::from_utf8_lossy(&path).trim());
    assert!(
        folder.join("initdb").exists(),
        "these tests need PostgreSQL's server; on Debian: apt-get install postgresql"
    );
    folder
}

/// PostgreSQL refuses to run as root.
fn unprivileged(program: impl AsRef<Path>) -> Command {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    if id.stdout != b"0\n" {
        return Command::new(program.as_ref());
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program.as_ref())
        // The folder of the tests may be root's alone.
        .current_dir("/");
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program runs");
    assert!(
        output.status.success(),
        "{:?}: {}",
        command.get_program(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
