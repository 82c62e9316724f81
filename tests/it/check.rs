//! What `wecomgw check` refuses, and what it never prints.

use std::process::Command;

use wecomgw::config::Sources;
use wecomgw::gateway::{Config, DEFAULTS};

const APP: &str = "[[apps]]\nname = \"a\"\ncorp_id = \"ww1\"\nagent_id = 1\nsecret = \"s\"\n";

fn faults(overlay: &str) -> Vec<String> {
    let sources = Sources::read_with(DEFAULTS, overlay, None, []);
    let config: Config = sources.and_then(|sources| sources.extract()).unwrap();
    config.faults(false)
}

fn caller(name: &str, digit: &str) -> String {
    let digest = digit.repeat(64);
    format!(
        "[[callers]]\nname = \"{name}\"\ntoken_sha256 = \"{digest}\"\npermissions = [\"*\"]\napps = [\"*\"]\n"
    )
}

#[test]
fn what_cannot_work_or_cannot_be_told_apart_is_a_fault() {
    let twice = |first: &str, second: &str| format!("{APP}{first}{second}");
    let other_app = |name: &str, agent_id: u32| {
        format!(
            "[[apps]]\nname = \"{name}\"\ncorp_id = \"ww1\"\nagent_id = {agent_id}\nsecret = \"s\"\n"
        )
    };
    for (overlay, expected) in [
        (twice(&caller("x", "0"), &caller("y", "1")), None),
        (
            twice(&caller("x", "0"), &caller("x", "1")),
            Some("caller \"x\" is configured twice"),
        ),
        (
            twice(&caller("x", "0"), &caller("y", "0")),
            Some("callers \"x\" and \"y\" have the same API token"),
        ),
        (twice(&other_app("b", 2), ""), None),
        (
            twice(&other_app("b", 1), ""),
            Some("apps \"a\" and \"b\" have the same corp_id and agent_id"),
        ),
        (
            twice(&other_app("a", 2), ""),
            Some("app \"a\" is configured twice"),
        ),
        (
            format!("[telemetry]\nlevel = \"loud\"\n{APP}"),
            Some("telemetry.level"),
        ),
        (
            format!("[telemetry]\nlevel = \"info,wecomgw::wecom=debug\"\n{APP}"),
            None,
        ),
        (
            format!("[telemetry]\nlevel = \"wecomgw=loud\"\n{APP}"),
            Some("telemetry.level"),
        ),
        (
            format!("[telemetry]\nlevel = \"\"\n{APP}"),
            Some("telemetry.level"),
        ),
        (
            format!("[grpc]\ntls_cert_file = \"c.pem\"\n{APP}"),
            Some("grpc.tls_cert_file needs grpc.tls_key_file"),
        ),
        (
            format!("[grpc]\ntls_key_file = \"k.pem\"\n{APP}"),
            Some("grpc.tls_key_file needs grpc.tls_cert_file"),
        ),
        (
            format!("[grpc]\nclient_ca_file = \"ca.pem\"\n{APP}"),
            Some("grpc.client_ca_file needs grpc.tls_cert_file"),
        ),
        (
            format!("[wecom]\nbase_url = \"https://qyapi.weixin.qq.com/cgi-bin\"\n{APP}"),
            Some("`base_url` ends in /cgi-bin, which the gateway appends itself: leave it out"),
        ),
        (
            format!("[wecom]\nbase_url = \"https://qyapi.weixin.qq.com/cgi-bin/\"\n{APP}"),
            Some("leave it out"),
        ),
    ] {
        let found = faults(&overlay);
        match expected {
            None => assert!(found.is_empty(), "{found:?} in {overlay}"),
            Some(expected) => {
                assert_eq!(found.len(), 1, "{found:?} in {overlay}");
                assert!(found[0].contains(expected), "{found:?}");
            }
        }
    }
}

#[test]
fn a_password_in_an_address_is_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wecomgw.toml");
    for wecom in [
        "base_url = \"https://me:hunter2@relay.example.com/\"",
        "base_url = \"http://me:hunter2@relay.example.com/\"",
        "base_url = \"ftp://me:hunter2@relay.example.com/\"",
        "base_url = \"https://me:hunter2@relay example.com/\"",
        "base_url = \"me:hunter2@relay.example.com\"",
        "oauth_page_base_url = \"https://me:hunter2@relay.example.com/\"",
        "qr_page_base_url = \"ftp://me:hunter2@relay.example.com/\"",
        "proxy = \"http://me:hunter2@proxy.example.com:3128\"",
        "proxy = \"http://me:hunter2@proxy example.com\"",
        "call_timeout = \"6s\"",
    ] {
        for store in [
            "postgres://me:hunter2@db/wecomgw",
            "postgres://db/w?password=hunter2",
            "sqlite:w.db",
        ] {
            std::fs::write(
                &file,
                format!("[wecom]\n{wecom}\n[store]\nurl = \"{store}\"\n{APP}"),
            )
            .unwrap();
            for command in ["check", "serve"] {
                // Without a fault the gateway would serve; a port that is no one's stops it.
                let output = Command::new(env!("CARGO_BIN_EXE_wecomgw"))
                    .args([command, "--config"])
                    .arg(&file)
                    .env("WECOMGW_GRPC__LISTEN", "192.0.2.1:1")
                    .current_dir(folder.path())
                    .output()
                    .unwrap();
                for text in [output.stdout, output.stderr] {
                    let text = String::from_utf8_lossy(&text);
                    assert!(
                        !text.contains("hunter2"),
                        "{command} with {wecom}, {store}: {text}"
                    );
                }
            }
        }
    }
}

/// A host may have them set for `wecomgw send` or for a client, and run a gateway too.
#[test]
fn variables_of_clients_are_no_settings() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wecomgw.toml"), APP).unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    for arguments in [
        ["serve", "--config", "wecomgw.toml"],
        ["dev", "--sandbox-listen", "127.0.0.1:0"],
    ] {
        let mut gateway = Command::new(env!("CARGO_BIN_EXE_wecomgw"));
        for name in [
            "ADDRESS",
            "TOKEN",
            "TOKEN_FILE",
            "CA_FILE",
            "CERT_FILE",
            "KEY_FILE",
        ] {
            gateway.env(format!("WECOMGW_{name}"), "x");
        }
        // It gets as far as the port, which someone else has.
        let output = gateway
            .args(arguments)
            .env("WECOMGW_GRPC__LISTEN", &taken)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("Another process has that port"), "{text}");
    }
}
