/** Sends a text: send_text USER_ID TEXT. The gateway is named by WECOMGW_ADDRESS and WECOMGW_TOKEN. */

import { fromEnv, GatewayError, text, users } from "@wecomgw/client";

const [user = "", content = ""] = process.argv.slice(2);
const client = fromEnv();
try {
  const reply = await client.messages.sendMessage({
    app: "youxiao",
    recipients: users(user),
    content: text(content),
  });
  console.log("message id:", reply.messageId);
} catch (error) {
  if (!(error instanceof GatewayError)) throw error;
  console.log("error:", error.reason);
  process.exitCode = 1;
} finally {
  client.close();
}
