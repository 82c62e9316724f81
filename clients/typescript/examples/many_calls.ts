/** Makes COUNT calls, one after the other: many_calls COUNT. bench.py measures it. */

import { fromEnv } from "@wecomgw/client";

const client = fromEnv();
for (let left = Number(process.argv[2]); left > 0; left--) {
  await client.gateway.getServerInfo({});
}
client.close();
