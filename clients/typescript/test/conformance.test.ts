/** Runs the cases of clients/conformance; its README explains the protocol. */

import assert from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { type DescMessage, fromJson, isMessage, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import * as wecomgw from "../src/index.js";
import * as appChat from "../src/gen/wecomgw/v1/app_chat_service_pb.js";
import * as auth from "../src/gen/wecomgw/v1/auth_service_pb.js";
import * as bulk from "../src/gen/wecomgw/v1/bulk_service_pb.js";
import { ContentSchema } from "../src/gen/wecomgw/v1/content_pb.js";
import * as gateway from "../src/gen/wecomgw/v1/gateway_service_pb.js";
import * as media from "../src/gen/wecomgw/v1/media_service_pb.js";
import * as message from "../src/gen/wecomgw/v1/message_service_pb.js";
import * as user from "../src/gen/wecomgw/v1/user_service_pb.js";

// biome-ignore lint: a case has no type of its own
type Any = any;
const services: Any = { ...appChat, ...auth, ...bulk, ...gateway, ...media, ...message, ...user };

const server = spawn("../../target/debug/examples/conformance-server", { stdio: ["pipe", "pipe", "inherit"] });
after(() => server.stdin.end());
const [line] = await once(server.stdout, "data");
const control = JSON.parse(String(line)).control;

async function post(path: string, body: unknown): Promise<string> {
  const headers = { "content-type": "application/json" };
  return (await fetch(control + path, { method: "POST", headers, body: JSON.stringify(body) })).text();
}

const camel = (name: string) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

function connect(task: Any): wecomgw.Client {
  if (task.env) return wecomgw.fromEnv(task.env);
  const { address, ca, cert, key, ...rest } = task.connect;
  const options = Object.fromEntries(Object.entries(rest).map(([name, value]) => [camel(name), value]));
  const files = Object.entries({ ca, cert, key }).filter(([, path]) => path);
  for (const [name, path] of files) options[name] = readFileSync(path as string);
  return wecomgw.connect(address, options);
}

/** Makes the call of a task, whatever it is; gives an iterable for a stream. */
function call(client: wecomgw.Client, task: Any): [DescMessage, Promise<Message> | AsyncIterable<Message>] {
  const { call, request } = task;
  if (call === "watch_bulk") {
    return [bulk.BulkEventSchema, client.watchBulk(request.jobId, BigInt(request.afterSequence ?? 0))];
  }
  if (call === "send_bulk") {
    const items = request.items.map((item: JsonValue) => fromJson(bulk.BulkItemSchema, item));
    return [bulk.BulkEventSchema, client.sendBulk(fromJson(bulk.BulkHeaderSchema, request.header), items)];
  }
  const [service, name] = call.split("/");
  const stubs: Any = {
    AppChatService: client.appChats,
    AuthService: client.auth,
    BulkService: client.bulk,
    GatewayService: client.gateway,
    MediaService: client.media,
    MessageService: client.messages,
    UserService: client.users,
  };
  const stub = stubs[service];
  const method = services[service].methods.find((method: Any) => method.name === name);
  const made = (task.requests ?? [request]).map((json: JsonValue) => fromJson(method.input, json));
  const options = task.timeout_ms ? { timeoutMs: task.timeout_ms } : {};
  const all = (async function* () { yield* made; })();
  return [method.output, stub[method.localName](method.methodKind.includes("client") ? all : made[0], options)];
}

async function outcome(client: wecomgw.Client, task: Any): Promise<Any> {
  const seen: Any = {};
  try {
    const [schema, answer] = call(client, task);
    if (answer instanceof Promise) return { response: toJson(schema, await answer) };
    seen.stream = [];
    for await (const item of answer) {
      if (seen.stream.push(toJson(schema, item)) === task.take) break;
    }
  } catch (error) {
    assert(error instanceof wecomgw.GatewayError, String(error));
    const { message, reason, domain, metadata, errcode, errmsg, retryable, requestId } = error;
    const violations = error.violations.map(({ field, description }) => ({ field, description }));
    const code = Code[error.code]!.replace(/(?<!^)[A-Z]/g, "_$&").toUpperCase();
    seen.error = { code, message, reason, domain, metadata, errcode, errmsg, retryable, violations };
    Object.assign(seen.error, { request_id: requestId, native: error.cause !== undefined, retry_after_ms: error.retryAfterMs });
  }
  return seen;
}

/** What was seen, and the client, which is open until the server has judged: or a stream that should have been left would end with it. */
async function run(task: Any): Promise<[Any, wecomgw.Client?]> {
  if (task.call === "helper") {
    const made = (wecomgw as Any)[camel(task.helper)](...task.args);
    return [{ response: toJson(isMessage(made, ContentSchema) ? ContentSchema : message.RecipientsSchema, made) }];
  }
  let client: wecomgw.Client;
  try {
    client = connect(task);
  } catch {
    return [{ refused: true }];
  }
  let seen: Any = {};
  for (let n = 0; n < task.times; n++) seen = await outcome(client, task);
  return [seen, client];
}

for (const { name } of (await (await fetch(`${control}/cases`)).json()) as { name: string }[]) {
  test(name, async () => {
    const task = JSON.parse(await post(`/begin/typescript/${name}`, {}));
    const [seen, client] = await run(task);
    const mistakes = await post("/end/typescript", seen);
    client?.close();
    assert(!mistakes, mistakes);
  });
}
