"""Runs the raw cases by `buf curl`: the gateway as a client without our code sees it."""

import base64
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from google.rpc import error_details_pb2, status_pb2  # noqa: F401  (the pool knows the details)
from google.protobuf import any_pb2

ROOT = Path(__file__).parents[2]
SERVER = subprocess.Popen(
    [ROOT / "target/debug/examples/conformance-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)
CONTROL = json.loads(SERVER.stdout.readline())["control"]
CODES = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
    "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE "
    "DATA_LOSS UNAUTHENTICATED"
).split()


def control(path, body=None):
    request = urllib.request.Request(CONTROL + path, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


def failure(exit_code, text):
    """An error as buf prints it, details in Base64."""
    if "{" not in text:
        raise RuntimeError(f"buf says: {text}")
    answer = json.loads(text[text.index("{") :])
    seen = {
        "code": CODES[exit_code // 8], "message": answer.get("message", ""), "reason": "", "domain": "",
        "metadata": {}, "errcode": 0, "errmsg": "", "violations": [], "native": True,
    }  # fmt: skip
    for detail in answer.get("details", []):
        value = detail["value"] + "=" * (-len(detail["value"]) % 4)
        packed = any_pb2.Any(type_url="/" + detail["type"], value=base64.b64decode(value))
        info, retry, bad = (getattr(error_details_pb2, n)() for n in ("ErrorInfo", "RetryInfo", "BadRequest"))
        if packed.Unpack(info):
            seen |= {"reason": info.reason, "domain": info.domain, "metadata": dict(info.metadata)}
            seen |= {"errcode": int(info.metadata["errcode"] or 0), "errmsg": info.metadata["errmsg"]}
        elif packed.Unpack(retry):
            seen["retry_after_ms"] = retry.retry_delay.ToMilliseconds()
        elif packed.Unpack(bad):
            seen["violations"] = [{"field": v.field, "description": v.description} for v in bad.field_violations]
    code, waits = seen["code"], "retry_after_ms" in seen
    return seen | {"retryable": waits or code == "UNAVAILABLE" and seen["domain"] == "wecomgw"}


def run(task):
    connect, requests = task["connect"], task.get("requests", [task.get("request", {})])
    command = [ROOT / "tools/node_modules/.bin/buf", "curl", "--schema", "proto", "--protocol", "grpc"]
    command += ["--http2-prior-knowledge", "-H", f"authorization: Bearer {connect['token']}", "-d", "@-"]
    if "timeout_ms" in task:
        command += ["-H", f"grpc-timeout: {task['timeout_ms']}m"]
    command.append(f"http://{connect['address']}/wecomgw.v1.{task['call']}")
    body = "".join(map(json.dumps, requests))
    done = subprocess.run(command, input=body, capture_output=True, text=True, cwd=ROOT)
    answers, decoder, rest = [], json.JSONDecoder(), done.stdout.strip()
    while rest:
        answer, end = decoder.raw_decode(rest)
        answers, rest = [*answers, answer], rest[end:].strip()
    proto = "".join(path.read_text() for path in (ROOT / "proto/wecomgw/v1").glob("*_service.proto"))
    streams = re.search(rf"rpc {task['call'].split('/')[1]}\(.*returns \(stream", proto)
    seen = {"stream": answers} if streams else {}
    if done.returncode:
        return seen | {"error": failure(done.returncode, done.stderr)}
    return seen or {"response": answers[0]}


failed = 0
raw = [case["name"] for case in json.loads(control("/cases")) if case["raw"]]
for name in raw:
    task = json.loads(control(f"/begin/buf/{name}", b"{}"))
    mistakes = control("/end/buf", json.dumps(run(task)).encode())
    failed += bool(mistakes)
    if mistakes:
        print(f"FAILED {name}\n{mistakes}")
print(f"{len(raw) - failed} passed, {failed} failed")
sys.exit(failed > 0)
