/** A transport that adds to each call what every call needs. */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { clone, create, type DescMessage, type DescMethod, type MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { GatewayError, REFUSED } from "./errors.js";
import policy from "./gen/policy.js";

const [{ name: safe, retryPolicy: retry }] = policy.methodConfig as [
  { name: { service: string; method: string }[]; retryPolicy: NonNullable<(typeof policy.methodConfig)[0]["retryPolicy"]> },
];
const REPEATABLE = new Set(safe.map(({ service, method }) => `${service}/${method}`));
const { maxTokens, tokenRatio } = policy.retryThrottling;

/** `headers` go with each call, `timeoutMs` bounds unary ones; without `repeat` each is made once. */
export function through(
  inner: Transport,
  headers: Record<string, string>,
  defaultTimeoutMs: number,
  repeat: boolean,
): Transport {
  // As in gRPC: while more than half of the tokens are gone, nothing is repeated.
  let tokens = maxTokens;
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const repeatable = REPEATABLE.has(name(method));
      const [message, requestId] = withRequestId(method.input, input);
      const deadline = performance.now() + (timeoutMs ?? defaultTimeoutMs);
      for (let attempt = 1; ; attempt++) {
        try {
          const left = deadline - performance.now();
          if (left < 1) throw new ConnectError("the deadline passed", Code.DeadlineExceeded);
          const all = joined(headers, header);
          const answer = await inner.unary(method, signal, Math.floor(left), all, message, contextValues);
          tokens = Math.min(tokens + tokenRatio, maxTokens);
          return answer;
        } catch (reason) {
          const error = GatewayError.of(reason, repeatable, requestId);
          const away = error.code === Code.Unavailable;
          // A drain refuses all calls at once; gRPC does not count these either.
          if (away && !error.message.endsWith(REFUSED)) tokens = Math.max(tokens - 1, 0);
          const again = repeat && repeatable && away && tokens > maxTokens / 2 && attempt < retry.maxAttempts;
          if (!again) throw error;
          await pause(attempt, deadline - performance.now(), signal);
        }
      }
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const all = joined(headers, header);
      // 0 is no deadline.
      const answer = inner.stream(method, signal, timeoutMs ?? 0, all, input, contextValues);
      const open = await answer.catch(fail);
      return { ...open, message: translated(open.message) };
    },
  };
}

/** Waits before another attempt, not beyond `limitMs`. */
export async function pause(attempt: number, limitMs: number, signal?: AbortSignal): Promise<void> {
  const [first, longest] = [retry.initialBackoff, retry.maxBackoff].map((text) => parseFloat(text) * 1000);
  const bound = Math.min(first! * retry.backoffMultiplier ** (attempt - 1), longest!);
  const wait = Math.min(Math.random() * bound, Math.max(limitMs, 0));
  await sleep(wait, undefined, signal ? { signal } : {}).catch(fail);
}

async function* translated<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    fail(error);
  }
}

function fail(error: unknown): never {
  throw GatewayError.of(error);
}

function name(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

function joined(headers: Record<string, string>, more?: HeadersInit): Headers {
  const all = new Headers(more);
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  return all;
}

/** The message, or a copy with a request_id where it should have one; and that id. */
export function withRequestId<T extends DescMessage>(schema: T, init: object): [MessageShape<T>, string] {
  const message = "$typeName" in init ? (init as MessageShape<T>) : create(schema, init as never);
  if (!("requestId" in schema.field)) return [message, ""];
  const filled = clone(schema, message) as MessageShape<T> & { requestId: string };
  filled.requestId ||= randomUUID();
  return [filled, filled.requestId];
}
