/** Stubs as Connect makes them, but for streams that are left. */

import type { DescService } from "@bufbuild/protobuf";
import { type CallOptions, type Client as Stub, createClient, type Transport } from "@connectrpc/connect";

type Streaming = (input: unknown, options?: CallOptions) => AsyncIterable<unknown>;

/** The stub of a service. Its streams begin with their loop and end when it is left; Connect's go on until a signal ends them. */
export function stub<T extends DescService>(service: T, transport: Transport): Stub<T> {
  const made = createClient(service, transport) as Record<string, unknown>;
  for (const { localName, methodKind } of service.methods) {
    if (methodKind !== "server_streaming" && methodKind !== "bidi_streaming") continue;
    const open = made[localName] as Streaming;
    made[localName] = async function* (input: unknown, options?: CallOptions) {
      const leave = new AbortController();
      const signals = [leave.signal, options?.signal].filter((signal) => signal !== undefined);
      try {
        yield* open(input, { ...options, signal: AbortSignal.any(signals) });
      } finally {
        leave.abort();
      }
    };
  }
  return made as Stub<T>;
}
