"""What a failed call says."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

DOMAIN = "wecomgw"


@dataclass(frozen=True)
class FieldViolation:
    """One broken rule of the request."""

    field: str
    description: str


class GatewayError(Exception):
    """A call that failed; the error of gRPC is its `__cause__`."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        # Of ErrorInfo: empty when the gateway itself did not answer.
        self.reason = ""
        self.domain = ""
        self.metadata: dict[str, str] = {}
        # Of WeCom; 0 and empty when it did not answer.
        self.errcode = 0
        self.errmsg = ""
        # Whether the same call may be made again after `retry_after` (seconds).
        self.retryable = False
        self.retry_after: float | None = None
        self.violations: list[FieldViolation] = []
        # The request_id that was sent, given or filled in.
        self.request_id = ""

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.code.name}{reason}: {self.message}"

    @classmethod
    def of(
        cls, error: grpc.RpcError, *, repeatable: bool = False, request_id: str = ""
    ) -> GatewayError:
        """Reads the details of an error of gRPC."""
        result = cls(error.code(), error.details() or "")
        result.request_id = request_id
        result.__cause__ = error
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            result._read(detail)
        unavailable = result.code is grpc.StatusCode.UNAVAILABLE
        answered = result.domain == DOMAIN
        result.retryable = (
            result.retry_after is not None
            or unavailable and (answered or repeatable)
        )
        return result

    def _read(self, detail) -> None:
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        request = error_details_pb2.BadRequest()
        if detail.Unpack(info):
            self.reason, self.domain = info.reason, info.domain
            self.metadata = dict(info.metadata)
            self.errcode = int(self.metadata.get("errcode") or 0)
            self.errmsg = self.metadata.get("errmsg", "")
        elif detail.Unpack(retry):
            self.retry_after = retry.retry_delay.ToTimedelta().total_seconds()
        elif detail.Unpack(request):
            self.violations = [
                FieldViolation(v.field, v.description) for v in request.field_violations
            ]

    @property
    def cut(self) -> bool:
        """Whether a stream broke on its way, so that it can go on elsewhere."""
        codes = grpc.StatusCode
        broken = (codes.CANCELLED, codes.INTERNAL, codes.UNKNOWN)
        return self.code is grpc.StatusCode.UNAVAILABLE or (
            self.code in broken and self.domain != DOMAIN
        )
