"""Runs the cases of clients/conformance; its README explains the protocol."""

import contextlib
import json
import subprocess
import urllib.request
from pathlib import Path

import pytest
import wecomgw
from google.protobuf import json_format
from wecomgw.v1 import bulk_service_pb2 as bulk

ROOT = Path(__file__).parents[3]
SERVER = subprocess.Popen(
    [ROOT / "target/debug/examples/conformance-server"],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
)
CONTROL = json.loads(SERVER.stdout.readline())["control"]


def control(path, body=None):
    request = urllib.request.Request(CONTROL + path, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


def connect(task):
    if "env" in task:
        return wecomgw.from_env(task["env"])
    options = dict(task["connect"])
    for name in ("ca", "cert", "key"):
        if name in options:
            options[name] = Path(options[name]).read_bytes()
    if "timeout_ms" in options:
        options["timeout"] = options.pop("timeout_ms") / 1000
    return wecomgw.connect(options.pop("address"), **options)


def call(client, task):
    """Makes the call of a task, whatever it is; gives an iterator for a stream."""
    name, request = task["call"], task.get("request", {})
    if name == "send_bulk":
        items = [json_format.ParseDict(item, bulk.BulkItem()) for item in request["items"]]
        return client.send_bulk(json_format.ParseDict(request["header"], bulk.BulkHeader()), items)
    if name == "watch_bulk":
        return client.watch_bulk(request["jobId"], request.get("afterSequence", 0))
    service, method = name.split("/")
    stubs = {
        "AppChatService": client.app_chats,
        "AuthService": client.auth,
        "BulkService": client.bulk,
        "GatewayService": client.gateway,
        "MediaService": client.media,
        "MessageService": client.messages,
        "UserService": client.users,
    }
    pool = bulk.DESCRIPTOR.pool
    kind = pool.FindServiceByName(f"wecomgw.v1.{service}").methods_by_name[method]
    make = kind.input_type._concrete_class
    requests = [json_format.ParseDict(json, make()) for json in task["requests"]]
    request = iter(requests) if kind.client_streaming else requests[0]
    timeout = task["timeout_ms"] / 1000 if "timeout_ms" in task else None
    return getattr(stubs[service], method)(request, timeout=timeout)


def outcome(client, task):
    seen = {}
    try:
        answer = call(client, task)
        if hasattr(answer, "DESCRIPTOR"):
            return {"response": json_format.MessageToDict(answer)}
        seen["stream"] = []
        while len(seen["stream"]) != task.get("take") and (item := next(answer, None)):
            seen["stream"].append(json_format.MessageToDict(item))
        getattr(answer, "cancel", getattr(answer, "close", None))()
    except wecomgw.GatewayError as error:
        fields = ("message", "reason", "domain", "errcode", "errmsg", "retryable", "request_id", "metadata")
        seen["error"] = {name: getattr(error, name) for name in fields} | {
            "code": error.code.name,
            "violations": [vars(violation) for violation in error.violations],
            "native": error.__cause__ is not None,
        }
        if error.retry_after is not None:
            seen["error"]["retry_after_ms"] = round(error.retry_after * 1000)
    return seen


@pytest.mark.parametrize("case", [case["name"] for case in json.loads(control("/cases"))])
def test_case(case):
    task = json.loads(control(f"/begin/python/{case}", b"{}"))
    # Until the server has judged, or a stream that should have been left would end with the client.
    with contextlib.ExitStack() as open_client:
        if task["call"] == "helper":
            made = getattr(wecomgw, task["helper"])(*task["args"])
            result = {"response": json_format.MessageToDict(made)}
        else:
            try:
                client, result = open_client.enter_context(connect(task)), {}
                for _ in range(task["times"]):
                    result = outcome(client, task)
            except ValueError:
                result = {"refused": True}
        mistakes = control("/end/python", json.dumps(result).encode())
    assert not mistakes, mistakes
