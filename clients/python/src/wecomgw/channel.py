"""A channel that adds to each call what every call needs."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc

from .errors import GatewayError

Metadata = Sequence[tuple[str, str]]
LEAVE_SECONDS = 1


class Channel:
    """Stands between the stubs and the channel of gRPC."""

    def __init__(
        self, inner: grpc.Channel, headers: Metadata, timeout: float, repeatable: set[str]
    ) -> None:
        self._inner, self._headers, self._timeout = inner, tuple(headers), timeout
        self._repeatable = repeatable

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        call = self._inner.unary_unary(method, *args, **kwargs)

        def unary(request, timeout=None, metadata=None, **options):
            request = with_request_id(request)
            try:
                return call(
                    request, timeout or self._timeout, self._with(metadata), **options
                )
            except grpc.RpcError as error:
                raise GatewayError.of(
                    error,
                    repeatable=method in self._repeatable,
                    request_id=getattr(request, "request_id", ""),
                ) from error

        return unary

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        call = self._inner.stream_unary(method, *args, **kwargs)

        def upload(requests, timeout=None, metadata=None, **options):
            try:
                return call(requests, timeout, self._with(metadata), **options)
            except grpc.RpcError as error:
                raise GatewayError.of(error) from error

        return upload

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Callable[..., Stream]:
        return self._stream(self._inner.unary_stream(method, *args, **kwargs))

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Callable[..., Stream]:
        return self._stream(self._inner.stream_stream(method, *args, **kwargs))

    def _stream(self, call) -> Callable[..., Stream]:
        def stream(request, timeout=None, metadata=None, **options):
            return Stream(call(request, timeout, self._with(metadata), **options))

        return stream

    def _with(self, metadata: Metadata | None) -> Metadata:
        return (*self._headers, *(metadata or ()))


class Stream(Iterator):
    """The answers of a call, as they come."""

    def __init__(self, call) -> None:
        self._call = call

    def __next__(self):
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise GatewayError.of(error) from error

    def cancel(self) -> None:
        """Leaves the call, and gives gRPC's thread a moment to let go of it: one that holds the call's
        lock while the interpreter ends would block the end for ever."""
        gone = threading.Event()
        if not self._call.add_callback(gone.set):
            gone.set()
        self._call.cancel()
        gone.wait(LEAVE_SECONDS)


def with_request_id(request):
    """`request`, or a copy with a request_id where it should have one."""
    if "request_id" not in request.DESCRIPTOR.fields_by_name or request.request_id:
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    copy.request_id = str(uuid.uuid4())
    return copy
