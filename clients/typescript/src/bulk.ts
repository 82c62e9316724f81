/** The events of a bulk job, through every cut of the stream. */

import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { GatewayError } from "./errors.js";
import {
  type BulkEvent,
  type BulkHeader,
  type BulkItem,
  BulkItemSchema,
  type SendBulkRequest,
  SendBulkRequestSchema,
} from "./gen/wecomgw/v1/bulk_service_pb.js";
import { pause } from "./transport.js";

// A chunk takes 1000 items and a message 1 MiB; half of that leaves room for any item.
const CHUNK_ITEMS = 1000;
const CHUNK_BYTES = 512 * 1024;
/** Streams in a row that may end without news. */
const TRIES = 5;

/** Opens a stream behind a sequence of a job, or the upload while there is no job. */
export type Open = (jobId: string, sequence: bigint) => AsyncIterable<BulkEvent>;

/** The upload: the header, then the items in chunks. */
export async function* requests(header: BulkHeader, items: BulkItem[]): AsyncIterable<SendBulkRequest> {
  yield create(SendBulkRequestSchema, { part: { case: "header", value: header } });
  let [chunk, size]: [BulkItem[], number] = [[], 0];
  const full = () => create(SendBulkRequestSchema, { part: { case: "chunk", value: { items: chunk } } });
  for (const item of items) {
    const length = toBinary(BulkItemSchema, item).length;
    if (chunk.length > 0 && (chunk.length === CHUNK_ITEMS || size + length > CHUNK_BYTES)) {
      yield full();
      [chunk, size] = [[], 0];
    }
    chunk.push(item);
    size += length;
  }
  if (chunk.length > 0) yield full();
}

/** Every event once, in order, up to `finished`. */
export async function* events(open: Open, jobId: string, sequence: bigint): AsyncGenerator<BulkEvent, void> {
  for (let fruitless = 1; ; fruitless++) {
    let cut = new GatewayError(new ConnectError("the stream ended before `finished`", Code.Unavailable));
    try {
      for await (const event of open(jobId, sequence)) {
        fruitless = 0;
        if (event.event.case === "heartbeat") continue;
        ({ jobId, sequence } = event);
        yield event;
        if (event.event.case === "finished") return;
      }
    } catch (reason) {
      cut = GatewayError.of(reason);
      if (!cut.cut) throw cut;
    }
    if (fruitless === TRIES) throw cut;
    await pause(Math.max(fruitless, 1), Infinity);
  }
}
