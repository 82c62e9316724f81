package io.wecomgw.examples;

import io.grpc.StatusRuntimeException;
import io.wecomgw.Client;
import io.wecomgw.Contents;
import io.wecomgw.v1.GetUserRequest;
import io.wecomgw.v1.SendMessageRequest;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Makes 50 calls a second that may be repeated, sends and reads in turn, and counts those that
 * failed: Steady NAME FIRST_MEMBER COUNT. drain.py stops gateways meanwhile.
 */
public final class Steady {
  private static void call(Client client, String user, String text, boolean send) {
    if (send) {
      client.messages.sendMessage(
          SendMessageRequest.newBuilder()
              .setApp("youxiao")
              .setRecipients(Contents.users(user))
              .setContent(Contents.text(text))
              .setRequestId(text)
              .build());
    } else {
      client.users.getUser(GetUserRequest.newBuilder().setApp("youxiao").setUserId(user).build());
    }
  }

  public static void main(String[] args) throws InterruptedException {
    int first = Integer.parseInt(args[1]);
    int count = Integer.parseInt(args[2]);
    AtomicInteger failed = new AtomicInteger();
    ScheduledExecutorService calls = Executors.newScheduledThreadPool(100);
    try (Client client = Client.fromEnv()) {
      for (int next = 0; next < count; next++) {
        int number = next;
        calls.schedule(
            () -> {
              try {
                String user = String.format("user%07d", first + number);
                call(client, user, args[0] + "-" + number, number % 2 == 0);
              } catch (StatusRuntimeException e) {
                failed.incrementAndGet();
                System.err.println(e);
              }
            },
            20L * number,
            TimeUnit.MILLISECONDS);
      }
      calls.shutdown();
      calls.awaitTermination(1, TimeUnit.MINUTES);
    }
    System.out.println("calls=" + count + " failed=" + failed);
  }
}
