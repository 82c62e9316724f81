package io.wecomgw.examples;

import io.wecomgw.BulkEvents;
import io.wecomgw.Client;
import io.wecomgw.Contents;
import io.wecomgw.v1.BulkCounts;
import io.wecomgw.v1.BulkEvent;
import io.wecomgw.v1.BulkHeader;
import io.wecomgw.v1.BulkItem;
import java.util.ArrayList;
import java.util.List;

/** Sends a text to many members: BulkSend TEXT USER_ID... */
public final class BulkSend {
  public static void main(String[] args) {
    BulkHeader header =
        BulkHeader.newBuilder().setApp("youxiao").setContent(Contents.text(args[0])).build();
    List<BulkItem> items = new ArrayList<>();
    for (int i = 1; i < args.length; i++) {
      items.add(BulkItem.newBuilder().setUserId(args[i]).build());
    }
    try (Client client = Client.fromEnv();
        BulkEvents events = client.sendBulk(header, items)) {
      while (events.hasNext()) {
        BulkEvent event = events.next();
        if (event.hasAccepted()) {
          System.out.println("items: " + event.getAccepted().getItemCount());
        } else if (event.hasBatchFinished()) {
          System.out.println("sent so far: " + event.getBatchFinished().getTotals().getAccepted());
        } else if (event.hasFinished()) {
          BulkCounts totals = event.getFinished().getTotals();
          System.out.printf(
              "finished: %d accepted, %d invalid%n", totals.getAccepted(), totals.getInvalid());
        }
      }
    }
  }
}
