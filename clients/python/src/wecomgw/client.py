"""The way to a gateway."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc

from . import bulk
from .channel import Channel, with_request_id
from .v1 import (
    app_chat_service_pb2_grpc,
    auth_service_pb2_grpc,
    bulk_service_pb2,
    bulk_service_pb2_grpc,
    gateway_service_pb2_grpc,
    media_service_pb2_grpc,
    message_service_pb2_grpc,
    user_service_pb2_grpc,
)

VERSION = "0.1.0"
DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 10.0
ADDRESS = re.compile(r"(https?://)?(\[[^\]/]+\]|[^\[\]:/@?#\s]+):(\d{1,5})/?")
# A picture or file inside a message may have 2 MiB and is kept for a repetition.
RETRY_BUFFER_BYTES = 4 * 1024 * 1024
POLICY = json.loads(Path(__file__).with_name("v1").joinpath("policy.json").read_text())


class Client:
    """A gateway: one channel and a stub for each service. Share it between threads."""

    def __init__(self, channel: grpc.Channel, headers: Mapping[str, str], timeout: float) -> None:
        #: The channel of gRPC, bare.
        self.channel = channel
        repeatable = {
            f"/{name['service']}/{name['method']}" for name in POLICY["methodConfig"][0]["name"]
        }
        through: Any = Channel(channel, tuple(headers.items()), timeout, repeatable)
        self.app_chats = app_chat_service_pb2_grpc.AppChatServiceStub(through)
        self.auth = auth_service_pb2_grpc.AuthServiceStub(through)
        self.bulk = bulk_service_pb2_grpc.BulkServiceStub(through)
        self.gateway = gateway_service_pb2_grpc.GatewayServiceStub(through)
        self.media = media_service_pb2_grpc.MediaServiceStub(through)
        self.messages = message_service_pb2_grpc.MessageServiceStub(through)
        self.users = user_service_pb2_grpc.UserServiceStub(through)

    def send_bulk(
        self, header: bulk_service_pb2.BulkHeader, items: Iterable[bulk_service_pb2.BulkItem]
    ) -> Iterator[bulk_service_pb2.BulkEvent]:
        """Uploads items and gives the events of their job, each once, through every cut.

        Leaving the iteration does not cancel the job.
        """
        header, items = with_request_id(header), list(items)
        upload = lambda: self.bulk.SendBulk(bulk.requests(header, items))  # noqa: E731
        return bulk.events(upload, self.bulk.WatchBulkJob, "", 0)

    def watch_bulk(
        self, job_id: str, after_sequence: int = 0
    ) -> Iterator[bulk_service_pb2.BulkEvent]:
        """Gives the events of a job behind a sequence, each once, through every cut."""
        return bulk.events(None, self.bulk.WatchBulkJob, job_id, after_sequence)

    def close(self) -> None:
        """Ends every call and the connection."""
        self.channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(
    address: str = DEFAULT_ADDRESS,
    *,
    token: str = "",
    ca: bytes | None = None,
    cert: bytes | None = None,
    key: bytes | None = None,
    insecure_token: bool = False,
    timeout: float = DEFAULT_TIMEOUT,
    retry: bool = True,
    headers: Mapping[str, str] | None = None,
) -> Client:
    """Makes a client; the connection itself is made by the first call.

    `address` is `host:port`, or `https://host:port` for TLS. `ca` (PEM) takes the place of the
    system's authorities; `cert` and `key` (PEM) show who the caller is. `timeout` (seconds)
    bounds each unary call that names none. `retry=False` makes every call once.
    """
    match = ADDRESS.fullmatch(address)
    if not match or int(match[3]) > 65535:
        raise ValueError(f"not an address: {address!r}; write host:port or https://host:port")
    secure, host = match[1] == "https://", match[2]
    if not secure and (ca or cert or key):
        raise ValueError("certificates need an https:// address")
    if bool(cert) != bool(key):
        raise ValueError("cert and key go together")
    if token and not secure and not insecure_token and not _loopback(host):
        raise ValueError(f"the token would go to {host} in the clear; use https://")
    all_headers = {name.lower(): value for name, value in (headers or {}).items()}
    if token:
        all_headers["authorization"] = f"Bearer {token}"
    config = POLICY if retry else {**POLICY, "methodConfig": []}
    options = [
        ("grpc.enable_retries", int(retry)),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.per_rpc_retry_buffer_size", RETRY_BUFFER_BYTES),
        ("grpc.primary_user_agent", f"wecomgw-python/{VERSION}"),
        ("grpc.service_config", json.dumps(config)),
    ]
    target = f"{host}:{match[3]}"
    if secure:
        credentials = grpc.ssl_channel_credentials(ca, key, cert)
        channel = grpc.secure_channel(target, credentials, options)
    else:
        channel = grpc.insecure_channel(target, options)
    return Client(channel, all_headers, timeout)


def from_env(environ: Mapping[str, str] | None = None) -> Client:
    """Makes a client from `WECOMGW_ADDRESS`, `WECOMGW_TOKEN` or `WECOMGW_TOKEN_FILE`,
    `WECOMGW_CA_FILE`, `WECOMGW_CERT_FILE` and `WECOMGW_KEY_FILE`."""
    env = os.environ if environ is None else environ
    files = {
        name: Path(env[variable]).read_bytes() if env.get(variable) else None
        for name, variable in (
            ("token", "WECOMGW_TOKEN_FILE"),
            ("ca", "WECOMGW_CA_FILE"),
            ("cert", "WECOMGW_CERT_FILE"),
            ("key", "WECOMGW_KEY_FILE"),
        )
    }
    token_file = (files.pop("token") or b"").decode().strip()
    return connect(
        env.get("WECOMGW_ADDRESS") or DEFAULT_ADDRESS,
        token=env.get("WECOMGW_TOKEN") or token_file,
        **files,
    )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
