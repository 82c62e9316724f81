package io.wecomgw.examples;

import io.wecomgw.Client;
import io.wecomgw.v1.GetServerInfoRequest;

/** Makes COUNT calls, one after the other: ManyCalls COUNT. bench.py measures it. */
public final class ManyCalls {
  public static void main(String[] args) {
    try (Client client = Client.fromEnv()) {
      for (int left = Integer.parseInt(args[0]); left > 0; left--) {
        client.gateway.getServerInfo(GetServerInfoRequest.getDefaultInstance());
      }
    }
  }
}
