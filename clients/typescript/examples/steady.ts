/**
 * Makes 50 calls a second that may be repeated, sends and reads in turn, and counts those that
 * failed: steady NAME FIRST_MEMBER COUNT. drain.py stops gateways meanwhile.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { fromEnv, text, users } from "@wecomgw/client";

const [name, first, count] = process.argv.slice(2);
const client = fromEnv();
let failed = 0;

async function call(number: number): Promise<void> {
  await sleep(number * 20);
  const userId = `user${String(Number(first) + number).padStart(7, "0")}`;
  const requestId = `${name}-${number}`;
  try {
    if (number % 2 === 0) {
      const message = { recipients: users(userId), content: text(requestId) };
      await client.messages.sendMessage({ app: "youxiao", ...message, requestId });
    } else {
      await client.users.getUser({ app: "youxiao", userId });
    }
  } catch (error) {
    failed++;
    console.error(error);
  }
}

await Promise.all(Array.from({ length: Number(count) }, (_, number) => call(number)));
client.close();
console.log(`calls=${count} failed=${failed}`);
