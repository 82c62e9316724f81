package io.wecomgw.examples;

import io.grpc.StatusRuntimeException;
import io.wecomgw.Client;
import io.wecomgw.Contents;
import io.wecomgw.GatewayError;
import io.wecomgw.v1.SendMessageRequest;

/**
 * Sends a text: SendText USER_ID TEXT. The gateway is named by WECOMGW_ADDRESS and WECOMGW_TOKEN.
 */
public final class SendText {
  public static void main(String[] args) {
    SendMessageRequest request =
        SendMessageRequest.newBuilder()
            .setApp("youxiao")
            .setRecipients(Contents.users(args[0]))
            .setContent(Contents.text(args[1]))
            .build();
    try (Client client = Client.fromEnv()) {
      System.out.println("message id: " + client.messages.sendMessage(request).getMessageId());
    } catch (StatusRuntimeException e) {
      System.out.println("error: " + GatewayError.of(e).reason);
      System.exit(1);
    }
  }
}
