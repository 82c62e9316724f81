"""The events of a bulk job, through every cut of the stream."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence

import grpc

from .channel import Stream
from .errors import GatewayError
from .v1 import bulk_service_pb2 as pb

# A chunk takes 1000 items and a message 1 MiB; half of that leaves room for any item.
CHUNK_ITEMS = 1000
CHUNK_BYTES = 512 * 1024
# Streams in a row that may end without news.
TRIES = 5
FIRST_WAIT, LONGEST_WAIT = 0.1, 1.0


def requests(header: pb.BulkHeader, items: Sequence[pb.BulkItem]) -> Iterator[pb.SendBulkRequest]:
    """The upload: the header, then the items in chunks."""
    yield pb.SendBulkRequest(header=header)
    chunk: list[pb.BulkItem] = []
    size = 0
    for item in items:
        length = item.ByteSize()
        if chunk and (len(chunk) == CHUNK_ITEMS or size + length > CHUNK_BYTES):
            yield pb.SendBulkRequest(chunk=pb.BulkChunk(items=chunk))
            chunk, size = [], 0
        chunk.append(item)
        size += length
    if chunk:
        yield pb.SendBulkRequest(chunk=pb.BulkChunk(items=chunk))


def events(
    upload: Callable[[], Stream] | None,
    watch: Callable[[pb.WatchBulkJobRequest], Stream],
    job_id: str,
    sequence: int,
) -> Iterator[pb.BulkEvent]:
    """Every event once, in order, up to `finished`."""
    fruitless = 0
    while True:
        if upload and not job_id:
            stream = upload()
        else:
            stream = watch(pb.WatchBulkJobRequest(job_id=job_id, after_sequence=sequence))
        cut = GatewayError(grpc.StatusCode.UNAVAILABLE, "the stream ended before `finished`")
        try:
            for event in stream:
                fruitless = 0
                if event.HasField("heartbeat"):
                    continue
                job_id, sequence = event.job_id, event.sequence
                yield event
                if event.HasField("finished"):
                    return
        except GatewayError as error:
            if not error.cut:
                raise
            cut = error
        finally:
            stream.cancel()
        fruitless += 1
        if fruitless == TRIES:
            raise cut
        time.sleep(random.uniform(0, min(FIRST_WAIT * 2 ** (fruitless - 1), LONGEST_WAIT)))
