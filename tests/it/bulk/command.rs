//! `wecomgw bulk` as a process of its own.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::json;
use tokio::process::Command;

use super::super::harness::World;
use super::{SEND, crowd};

fn bulk(world: &World, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wecomgw"));
    command
        .args(["bulk", "--address", &world.grpc, "--app", "youxiao"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn the_command_sends_and_writes_the_outcomes() {
    let world = crowd(1200).await;
    let folder = tempfile::tempdir().unwrap();
    let mut people = "\u{feff}user_id,name\n".to_owned();
    for number in 1..=1200 {
        people.push_str(&format!("user{number:07}, Someone\r\n"));
    }
    people.push_str("\nstranger\n");
    std::fs::write(folder.path().join("people.csv"), people).unwrap();
    std::fs::write(
        folder.path().join("content.json"),
        r#"{"textCard": {"title": "Canteen", "description": "Soup", "url": "https://example.com"}}"#,
    )
    .unwrap();
    let arguments = [
        "--recipients",
        "people.csv",
        "--content",
        "content.json",
        "--outcomes",
        "out.csv",
    ];
    let output = bulk(&world, folder.path(), &arguments)
        .output()
        .await
        .unwrap();
    let said = text(&output);
    assert!(!output.status.success(), "one was not accepted: {said}");
    assert!(said.contains("1200 accepted, 1 invalid"), "{said}");
    let rows = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1202, "a title and 1201 items");
    assert!(
        rows.contains("stranger,INVALID"),
        "{}",
        &rows[rows.len() - 300..]
    );
    assert_eq!(world.sandbox.messages().await.len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn an_interrupted_command_leaves_the_job_and_tells_how_to_come_back() {
    let world = crowd(8000).await;
    let latency = json!({"kind": "latency_ms", "latency_ms": 400});
    world.sandbox.fault(SEND, latency, 100).await;
    let folder = tempfile::tempdir().unwrap();
    let people: String = (1..=8000)
        .map(|number| format!("user{number:07}\n"))
        .collect();
    std::fs::write(folder.path().join("people.txt"), people).unwrap();
    let arguments = ["--recipients", "people.txt", "--text", "hello"];
    let child = bulk(&world, folder.path(), &arguments).spawn().unwrap();
    while world.sandbox.calls(SEND).await.is_empty() {
        tokio::task::yield_now().await;
    }
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().unwrap().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    let said = text(&child.wait_with_output().await.unwrap());
    let (_, job) = said
        .split_once("wecomgw bulk --resume ")
        .unwrap_or_else(|| panic!("no word on how to come back: {said}"));
    let arguments = ["--resume", job.trim()];
    let output = bulk(&world, folder.path(), &arguments)
        .output()
        .await
        .unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("8000 accepted"), "{said}");
    let rows = std::fs::read_to_string(folder.path().join(format!("bulk-{}.csv", job.trim())));
    assert_eq!(rows.unwrap().lines().count(), 8001);
    world.stop().await;
}

#[tokio::test]
async fn mistakes_on_the_command_line_are_told() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.txt"), "user_id\n").unwrap();
    std::fs::write(folder.path().join("bad.txt"), "a|b\n").unwrap();
    std::fs::write(folder.path().join("bad.json"), r#"{"txet": {}}"#).unwrap();
    for (arguments, word) in [
        (&["--text", "x"][..], "--recipients"),
        (&["--recipients", "empty.txt"], "--text"),
        (
            &["--recipients", "empty.txt", "--text", "x"],
            "names nobody",
        ),
        (
            &["--recipients", "none.txt", "--text", "x"],
            "cannot read none.txt",
        ),
        (
            &["--recipients", "bad.txt", "--text", "x"],
            "items[0].user_id",
        ),
        (
            &["--recipients", "bad.txt", "--content", "bad.json"],
            "bad.json is no wecomgw.v1.Content",
        ),
        (&["--resume", "0123"], "no such job"),
    ] {
        let output = bulk(&world, folder.path(), arguments)
            .output()
            .await
            .unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        let said = text(&output);
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    world.stop().await;
}
