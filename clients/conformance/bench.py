"""Measures what a call costs a client: `bench.py LANGUAGE...`, after `make clients`.

CPU time of `many_calls` with many calls less that with few, by the calls between: neither the
start of the process nor the warming up counts. The Rust client is a debug build, as `make clients` leaves it."""

import json
import os
import resource
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"
FEW, MANY = 500, 2500
RUST = ROOT / "target/debug/examples/many_calls"
GO = ROOT / "target/many_calls_go"


def command(language: str) -> list[str]:
    if language == "go":
        subprocess.run(["go", "build", "-o", GO, "./examples/many_calls"], cwd=CLIENTS / "go", check=True)
        return [str(GO)]
    if language == "rust":
        build = ["cargo", "build", "--locked", "--quiet", "-p", "wecomgw-client", "--example", "many_calls"]
        subprocess.run(build, cwd=ROOT, check=True)
        return [str(RUST)]
    if language == "python":
        return [str(ROOT / "tools/venv/bin/python"), "examples/many_calls.py"]
    if language == "typescript":
        return ["node", "dist/examples/many_calls.js"]
    path = (CLIENTS / "java/target/classpath").read_text().strip()
    return ["java", "-cp", f"target/classes:target/test-classes:{path}", "io.wecomgw.examples.ManyCalls"]


def cpu_seconds(start: list[str], language: str, env: dict, calls: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*start, str(calls)], cwd=CLIENTS / language, env=env, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


with subprocess.Popen(
    [ROOT / "target/debug/examples/conformance-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
) as server:
    control = json.loads(server.stdout.readline())["control"]
    for language in sys.argv[1:]:
        start = command(language)
        begin = urllib.request.Request(f"{control}/begin/{language}/example_send_text", b"{}")
        begin.add_header("content-type", "application/json")
        connect = json.loads(urllib.request.urlopen(begin).read())["connect"]
        env = os.environ | {"WECOMGW_ADDRESS": connect["address"], "WECOMGW_TOKEN": connect["token"], "PYTHONPATH": "src"}
        few, many = (cpu_seconds(start, language, env, calls) for calls in (FEW, MANY))
        print(f"{language:11} {(many - few) / (MANY - FEW) * 1e6:6.0f} us of CPU a call")
    server.stdin.close()
