"""Runs the examples of a client and compares what they print: `examples.py LANGUAGE...`; with
`--packages` first, the simplest one against the client as it is published."""

import json
import os
import subprocess
import sys
import urllib.request

import packages
from programs import CLIENTS, ROOT, command

server = subprocess.Popen(
    [ROOT / "target/debug/examples/conformance-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)
base = json.loads(server.stdout.readline())["control"]


def control(path, body):
    request = urllib.request.Request(base + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


LIMIT_SECONDS = 120
"""A program that hangs is a failure, and must not hold up all others."""
passed = failed = 0
languages = [argument for argument in sys.argv[1:] if argument != "--packages"]
packaged = len(languages) < len(sys.argv) - 1
for language in languages:
    package = getattr(packages, language)() if packaged else None
    for case in json.loads((CLIENTS / "conformance/examples.json").read_text()):
        if package and case["do"]["example"] != "send_text":
            continue
        task = json.loads(control(f"/begin/{language}-examples/{case['name']}", {}))
        env = os.environ | {
            "WECOMGW_ADDRESS": task["connect"]["address"],
            "WECOMGW_TOKEN": task["connect"]["token"],
            "PYTHONPATH": "" if package else "src",
        }
        start, folder = package or (command(language, task["example"]), CLIENTS / language)
        done = subprocess.run(
            [*start, *task["args"]], cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT_SECONDS,
        )  # fmt: skip
        outcome = {"response": {"lines": done.stdout.splitlines()}}
        mistakes = control(f"/end/{language}-examples", outcome)
        if done.returncode < 0:
            mistakes += f"it was killed by signal {-done.returncode}"
        failed += bool(mistakes)
        passed += not mistakes
        if mistakes:
            print(f"FAILED {language} {case['name']}\n{mistakes}\n{done.stderr}")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
