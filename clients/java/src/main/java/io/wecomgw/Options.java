package io.wecomgw;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/** How to connect. */
public final class Options {
  /** API token, shown at each call. */
  public String token = "";

  /** Authorities (PEM) in place of the system's. */
  public byte[] ca;

  /** Who the caller is (PEM, the key as PKCS #8). */
  public byte[] cert;

  public byte[] key;

  /** Lets the token travel in the clear beyond this machine. */
  public boolean insecureToken;

  /** Bounds unary calls that name no deadline. */
  public Duration timeout = Duration.ofSeconds(10);

  /** Whether calls that may be repeated are; false makes every call once. */
  public boolean retry = true;

  /** Sent along with each call. */
  public final Map<String, String> headers = new LinkedHashMap<>();
}
