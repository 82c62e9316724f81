"""Measures what a call costs a client: `bench.py LANGUAGE...`, after `make clients`.

CPU time of `many_calls` with many calls less that with few, by the calls between: neither the
start of the process nor the warming up counts; the median of three rounds. The Rust client is a debug build, as `make clients` leaves it."""

import json
import os
import resource
import subprocess
import sys
import urllib.request
from statistics import median

from programs import CLIENTS, ROOT, command

FEW, MANY, ROUNDS = 500, 2500, 3


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
        start = command(language, "many_calls")
        begin = urllib.request.Request(f"{control}/begin/{language}/example_send_text", b"{}")
        begin.add_header("content-type", "application/json")
        connect = json.loads(urllib.request.urlopen(begin).read())["connect"]
        env = os.environ | {"WECOMGW_ADDRESS": connect["address"], "WECOMGW_TOKEN": connect["token"], "PYTHONPATH": "src"}
        rounds = [[cpu_seconds(start, language, env, calls) for calls in (FEW, MANY)] for _ in range(ROUNDS)]
        cost = median(many - few for few, many in rounds) / (MANY - FEW)
        print(f"{language:11} {cost * 1e6:6.0f} us of CPU a call")
    server.stdin.close()
