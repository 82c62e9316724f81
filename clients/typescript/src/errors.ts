/** What a failed call says. */

import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";

const DOMAIN = "wecomgw";
/** How Node.js names a call that a connection did not take, having been told to go. */
export const REFUSED = "NGHTTP2_REFUSED_STREAM";

/** One broken rule of the request. */
export interface FieldViolation {
  field: string;
  description: string;
}

/** A call that failed; the error of Connect is its `cause`. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly code: Code;
  /** Of ErrorInfo: empty when the gateway itself did not answer. */
  readonly reason: string;
  readonly domain: string;
  readonly metadata: { [key: string]: string };
  /** Of WeCom; 0 and empty when it did not answer. */
  readonly errcode: number;
  readonly errmsg: string;
  /** Whether the same call may be made again, after `retryAfterMs` where there is one. */
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly violations: FieldViolation[];
  /** The request_id that was sent, given or filled in. */
  readonly requestId: string;

  constructor(error: ConnectError, repeatable = false, requestId = "") {
    super(error.rawMessage, { cause: error });
    const [info] = error.findDetails(ErrorInfoSchema);
    const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
    this.code = unreachable(error) ? Code.Unavailable : error.code;
    this.reason = info?.reason ?? "";
    this.domain = info?.domain ?? "";
    this.metadata = info?.metadata ?? {};
    this.errcode = Number(this.metadata["errcode"] ?? 0);
    this.errmsg = this.metadata["errmsg"] ?? "";
    this.retryAfterMs = delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6;
    const unavailable = this.code === Code.Unavailable;
    this.retryable = delay !== undefined || (unavailable && (this.domain === DOMAIN || repeatable));
    this.violations = error.findDetails(BadRequestSchema).flatMap((request) => request.fieldViolations);
    this.requestId = requestId;
  }

  /** Reads the details of whatever a call threw. */
  static of(error: unknown, repeatable = false, requestId = ""): GatewayError {
    if (error instanceof GatewayError) return error;
    return new GatewayError(ConnectError.from(error), repeatable, requestId);
  }

  /** Whether a stream broke on its way, so that it can go on elsewhere. */
  get cut(): boolean {
    const broken = [Code.Canceled, Code.Internal, Code.Unknown].includes(this.code);
    return this.code === Code.Unavailable || (broken && this.domain !== DOMAIN);
  }
}

/**
 * Whether the call did not get there: the connection could not be made, which Connect knows of
 * sockets but not of TLS, or it was told to go before the call.
 */
function unreachable({ code, cause, rawMessage }: ConnectError): boolean {
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "ERR_HTTP2";
  const refused = rawMessage.endsWith(REFUSED);
  return code === Code.Internal && (refused || !reason.startsWith("ERR_HTTP2"));
}
