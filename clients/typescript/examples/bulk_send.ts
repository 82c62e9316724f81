/** Sends a text to many members: bulk_send TEXT USER_ID... */

import { fromEnv, text } from "@wecomgw/client";

const [content = "", ...users] = process.argv.slice(2);
const client = fromEnv();
const items = users.map((userId) => ({ userId }));
for await (const { event } of client.sendBulk({ app: "youxiao", content: text(content) }, items)) {
  if (event.case === "accepted") console.log("items:", event.value.itemCount);
  if (event.case === "batchFinished") console.log("sent so far:", event.value.totals?.accepted ?? 0);
  if (event.case === "finished") {
    const { accepted = 0, invalid = 0 } = event.value.totals ?? {};
    console.log(`finished: ${accepted} accepted, ${invalid} invalid`);
  }
}
client.close();
