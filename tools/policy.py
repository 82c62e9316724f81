"""Writes clients/policy.json from the contract: `buf build -o - | policy.py OUT...`.

The policy is a gRPC service config. A unary method is repeated when the contract marks it
(`idempotency_level`), or when its request carries a `request_id`, which every client fills in.
The other unary methods stand in an entry without a retry policy: a client that reads this file
itself knows all unary methods by it.
"""

import json
import pathlib
import sys

from google.protobuf import descriptor_pb2

RETRY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def main(outs: list[str]) -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString(sys.stdin.buffer.read()).file
    with_request_id = {
        f".{file.package}.{message.name}"
        for file in files
        for message in file.message_type
        if any(field.name == "request_id" for field in message.field)
    }
    safe, unsafe = [], []
    for file in files:
        for service in file.service:
            for method in service.method:
                if method.client_streaming or method.server_streaming:
                    continue
                marked = method.options.HasField("idempotency_level")
                entries = safe if marked or method.input_type in with_request_id else unsafe
                entries.append({"service": f"{file.package}.{service.name}", "method": method.name})
    policy = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
        "methodConfig": [{"name": safe, "retryPolicy": RETRY}, {"name": unsafe}],
    }
    text = json.dumps(policy, indent=2)
    for out in map(pathlib.Path, outs):
        # TypeScript cannot read JSON of its own package in every runtime.
        out.write_text(f"export default {text};\n" if out.suffix == ".ts" else f"{text}\n")


main(sys.argv[1:])
