package io.wecomgw.examples;

import io.wecomgw.Client;
import io.wecomgw.v1.LoginRequest;
import io.wecomgw.v1.LoginResponse;
import io.wecomgw.v1.LogoutRequest;
import io.wecomgw.v1.VerifySessionRequest;

/** Logs a member in with what the redirect brought: Login CODE STATE. */
public final class Login {
  public static void main(String[] args) {
    try (Client client = Client.fromEnv()) {
      LoginRequest request =
          LoginRequest.newBuilder().setApp("youxiao").setCode(args[0]).setState(args[1]).build();
      LoginResponse login = client.auth.login(request);
      System.out.println("hello: " + login.getUser().getName());
      String token = login.getSessionToken();
      VerifySessionRequest verify =
          VerifySessionRequest.newBuilder().setSessionToken(token).build();
      System.out.println(
          "session of: " + client.auth.verifySession(verify).getUser().getUserId());
      client.auth.logout(LogoutRequest.newBuilder().setSessionToken(token).build());
      System.out.println("logged out");
    }
  }
}
