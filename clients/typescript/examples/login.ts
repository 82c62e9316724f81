/** Logs a member in with what the redirect brought: login CODE STATE. */

import { fromEnv } from "@wecomgw/client";

const [code = "", state = ""] = process.argv.slice(2);
const client = fromEnv();
const { sessionToken, user } = await client.auth.login({ app: "youxiao", code, state });
console.log("hello:", user?.name);
const session = await client.auth.verifySession({ sessionToken });
console.log("session of:", session.user?.userId);
await client.auth.logout({ sessionToken });
console.log("logged out");
client.close();
