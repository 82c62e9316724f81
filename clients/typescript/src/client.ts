/** The way to a gateway. */

import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Client as Stub, Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { events, requests } from "./bulk.js";
import { AppChatService } from "./gen/wecomgw/v1/app_chat_service_pb.js";
import { AuthService } from "./gen/wecomgw/v1/auth_service_pb.js";
import { type BulkEvent, BulkHeaderSchema, BulkItemSchema, BulkService } from "./gen/wecomgw/v1/bulk_service_pb.js";
import { GatewayService } from "./gen/wecomgw/v1/gateway_service_pb.js";
import { MediaService } from "./gen/wecomgw/v1/media_service_pb.js";
import { MessageService } from "./gen/wecomgw/v1/message_service_pb.js";
import { UserService } from "./gen/wecomgw/v1/user_service_pb.js";
import { stub } from "./stub.js";
import { through, withRequestId } from "./transport.js";

export const VERSION = "0.1.0";
const DEFAULT_ADDRESS = "127.0.0.1:50051";
const DEFAULT_TIMEOUT_MS = 10_000;
const KEEPALIVE = { pingIntervalMs: 60_000, pingTimeoutMs: 20_000 };
const ADDRESS = /^(https?:\/\/)?(\[[^\]/]+\]|[^[\]:/@?#\s]+):(\d{1,5})\/?$/;

export interface Options {
  /** API token, shown at each call. */
  token?: string;
  /** Authorities (PEM) in place of the system's. */
  ca?: string | Buffer;
  /** Who the caller is (PEM). */
  cert?: string | Buffer;
  key?: string | Buffer;
  /** Lets the token travel in the clear beyond this machine. */
  insecureToken?: boolean;
  /** Bounds unary calls that name no deadline; 10 s. */
  timeoutMs?: number;
  /** `false` makes every call once. */
  retry?: boolean;
  /** Sent along with each call. */
  headers?: Record<string, string>;
}

/** A gateway: one connection and a stub for each service. Share it. */
export class Client {
  readonly appChats: Stub<typeof AppChatService>;
  readonly auth: Stub<typeof AuthService>;
  readonly bulk: Stub<typeof BulkService>;
  readonly gateway: Stub<typeof GatewayService>;
  readonly media: Stub<typeof MediaService>;
  readonly messages: Stub<typeof MessageService>;
  readonly users: Stub<typeof UserService>;

  constructor(
    /** The transport that the stubs share. */
    readonly transport: Transport,
    private readonly session: Http2SessionManager,
  ) {
    this.appChats = stub(AppChatService, transport);
    this.auth = stub(AuthService, transport);
    this.bulk = stub(BulkService, transport);
    this.gateway = stub(GatewayService, transport);
    this.media = stub(MediaService, transport);
    this.messages = stub(MessageService, transport);
    this.users = stub(UserService, transport);
  }

  /**
   * Uploads items and gives the events of their job, each once, through every cut. Leaving the
   * loop does not cancel the job.
   */
  sendBulk(
    header: MessageInitShape<typeof BulkHeaderSchema>,
    items: Iterable<MessageInitShape<typeof BulkItemSchema>>,
  ): AsyncGenerator<BulkEvent, void> {
    const [filled] = withRequestId(BulkHeaderSchema, header);
    const all = Array.from(items, (item) => create(BulkItemSchema, item));
    const upload = () => this.bulk.sendBulk(requests(filled, all));
    return events((jobId, sequence) => (jobId ? this.watch(jobId, sequence) : upload()), "", 0n);
  }

  /** Gives the events of a job behind a sequence, each once, through every cut. */
  watchBulk(jobId: string, afterSequence = 0n): AsyncGenerator<BulkEvent, void> {
    return events(this.watch.bind(this), jobId, afterSequence);
  }

  private watch(jobId: string, afterSequence: bigint): AsyncIterable<BulkEvent> {
    return this.bulk.watchBulkJob({ jobId, afterSequence });
  }

  /** Ends every call and the connection. */
  close(): void {
    this.session.abort();
  }
}

/**
 * Makes a client; the connection itself is made by the first call. `address` is `host:port`, or
 * `https://host:port` for TLS.
 */
export function connect(address: string = DEFAULT_ADDRESS, options: Options = {}): Client {
  const [, scheme, host, port] = ADDRESS.exec(address) ?? [];
  if (!host || Number(port) > 65535) {
    throw new TypeError(`not an address: ${address}; write host:port or https://host:port`);
  }
  const secure = scheme === "https://";
  const { token, ca, cert, key, headers } = options;
  if (!secure && (ca || cert || key)) throw new TypeError("certificates need an https:// address");
  if (!cert !== !key) throw new TypeError("cert and key go together");
  if (token && !secure && !options.insecureToken && !loopback(host)) {
    throw new TypeError(`the token would go to ${host} in the clear; use https://`);
  }
  const baseUrl = `${secure ? "https" : "http"}://${host}:${port}`;
  const files = Object.fromEntries(Object.entries({ ca, cert, key }).filter(([, pem]) => pem));
  const session = new Http2SessionManager(baseUrl, KEEPALIVE, files);
  const all = { "user-agent": `wecomgw-typescript/${VERSION}`, ...headers };
  const transport = through(
    createGrpcTransport({ baseUrl, sessionManager: session }),
    token ? { ...all, authorization: `Bearer ${token}` } : all,
    options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    options.retry ?? true,
  );
  return new Client(transport, session);
}

/**
 * Makes a client from `WECOMGW_ADDRESS`, `WECOMGW_TOKEN` or `WECOMGW_TOKEN_FILE`,
 * `WECOMGW_CA_FILE`, `WECOMGW_CERT_FILE` and `WECOMGW_KEY_FILE`.
 */
export function fromEnv(env: Record<string, string | undefined> = process.env): Client {
  const read = (variable: string) => (env[variable] ? readFileSync(env[variable], "utf8") : undefined);
  const options: Record<string, string | undefined> = {
    token: env["WECOMGW_TOKEN"] || read("WECOMGW_TOKEN_FILE")?.trim(),
    ca: read("WECOMGW_CA_FILE"),
    cert: read("WECOMGW_CERT_FILE"),
    key: read("WECOMGW_KEY_FILE"),
  };
  return connect(env["WECOMGW_ADDRESS"] || DEFAULT_ADDRESS, options);
}

function loopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || (isIPv4(host) && host.startsWith("127."));
}
