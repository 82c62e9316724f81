package io.wecomgw;

import com.google.gson.Gson;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.wecomgw.v1.AppChatServiceGrpc;
import io.wecomgw.v1.AuthServiceGrpc;
import io.wecomgw.v1.BulkHeader;
import io.wecomgw.v1.BulkItem;
import io.wecomgw.v1.BulkServiceGrpc;
import io.wecomgw.v1.GatewayServiceGrpc;
import io.wecomgw.v1.MediaServiceGrpc;
import io.wecomgw.v1.MessageServiceGrpc;
import io.wecomgw.v1.UserServiceGrpc;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A gateway: one channel and a stub for each service. Share it between threads. */
public final class Client implements AutoCloseable {
  /** Version of this client. */
  public static final String VERSION = "0.1.0";

  private static final String DEFAULT_ADDRESS = "127.0.0.1:50051";
  private static final int KEEPALIVE_SECONDS = 60;
  private static final int KEEPALIVE_TIMEOUT_SECONDS = 20;
  // A picture or file inside a message may have 2 MiB and is kept for a repetition.
  private static final long RETRY_BUFFER_BYTES = 4 << 20;
  private static final Pattern ADDRESS =
      Pattern.compile("(https?://)?(\\[[^\\]/]+\\]|[^\\[\\]:/@?#\\s]+):(\\d{1,5})/?");
  private static final Pattern LOOPBACK =
      Pattern.compile("localhost|\\[::1\\]|127(\\.\\d{1,3}){3}");

  public final AppChatServiceGrpc.AppChatServiceBlockingStub appChats;
  public final AuthServiceGrpc.AuthServiceBlockingStub auth;
  public final BulkServiceGrpc.BulkServiceBlockingStub bulk;
  public final GatewayServiceGrpc.GatewayServiceBlockingStub gateway;
  public final MediaServiceGrpc.MediaServiceStub media;
  public final MessageServiceGrpc.MessageServiceBlockingStub messages;
  public final UserServiceGrpc.UserServiceBlockingStub users;

  /** The channel that the stubs share, for stubs of another kind. */
  public final Channel channel;

  private final ManagedChannel managed;

  private Client(ManagedChannel managed, Calls calls) {
    this.managed = managed;
    channel = ClientInterceptors.intercept(managed, calls);
    appChats = AppChatServiceGrpc.newBlockingStub(channel);
    auth = AuthServiceGrpc.newBlockingStub(channel);
    bulk = BulkServiceGrpc.newBlockingStub(channel);
    gateway = GatewayServiceGrpc.newBlockingStub(channel);
    media = MediaServiceGrpc.newStub(channel);
    messages = MessageServiceGrpc.newBlockingStub(channel);
    users = UserServiceGrpc.newBlockingStub(channel);
  }

  /**
   * Makes a client; the connection itself is made by the first call. The address is host:port, or
   * https://host:port for TLS.
   */
  public static Client connect(String address, Options options) {
    Matcher match = ADDRESS.matcher(address);
    boolean good = match.matches() && Integer.parseInt(match.group(3)) <= 65535;
    demand(good, "not an address: " + address + "; write host:port or https://host:port");
    boolean secure = "https://".equals(match.group(1));
    boolean plain = options.ca == null && options.cert == null && options.key == null;
    demand(secure || plain, "certificates need an https:// address");
    demand((options.cert == null) == (options.key == null), "cert and key go together");
    String host = match.group(2);
    boolean safe = secure || options.insecureToken || LOOPBACK.matcher(host).matches();
    demand(
        safe || options.token.isEmpty(),
        "the token would go to " + host + " in the clear; use https://");
    Metadata headers = new Metadata();
    options.headers.forEach((name, value) -> headers.put(key(name), value));
    if (!options.token.isEmpty()) {
      headers.put(key("authorization"), "Bearer " + options.token);
    }
    ManagedChannelBuilder<?> builder =
        Grpc.newChannelBuilder(
                host + ":" + match.group(3),
                secure ? tls(options) : InsecureChannelCredentials.create())
            .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
            .keepAliveTimeout(KEEPALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS)
            .perRpcBufferLimit(RETRY_BUFFER_BYTES)
            .userAgent("wecomgw-java/" + VERSION)
            .defaultServiceConfig(policy());
    if (!options.retry) {
      builder.disableRetry();
    }
    return new Client(builder.build(), new Calls(headers, options.timeout.toNanos()));
  }

  /**
   * Makes a client from WECOMGW_ADDRESS, WECOMGW_TOKEN or WECOMGW_TOKEN_FILE, WECOMGW_CA_FILE,
   * WECOMGW_CERT_FILE and WECOMGW_KEY_FILE.
   */
  public static Client fromEnv() {
    return fromEnv(System.getenv());
  }

  /** As {@link #fromEnv()}, from these variables. */
  public static Client fromEnv(Map<String, String> env) {
    Options options = new Options();
    options.ca = read(env, "WECOMGW_CA_FILE");
    options.cert = read(env, "WECOMGW_CERT_FILE");
    options.key = read(env, "WECOMGW_KEY_FILE");
    byte[] file = read(env, "WECOMGW_TOKEN_FILE");
    String token = env.getOrDefault("WECOMGW_TOKEN", "");
    boolean given = !token.isEmpty() || file == null;
    options.token = given ? token : new String(file, StandardCharsets.UTF_8).trim();
    String address = env.getOrDefault("WECOMGW_ADDRESS", "");
    return connect(address.isEmpty() ? DEFAULT_ADDRESS : address, options);
  }

  /**
   * Uploads items and gives the events of their job, each once, through every cut. Leaving does not
   * cancel the job.
   */
  public BulkEvents sendBulk(BulkHeader header, List<BulkItem> items) {
    BulkHeader filled = (BulkHeader) Calls.withRequestId(header);
    return new BulkEvents(channel, filled, items, "", 0);
  }

  /** Gives the events of a job behind a sequence, each once, through every cut. */
  public BulkEvents watchBulk(String jobId, long afterSequence) {
    return new BulkEvents(channel, null, null, jobId, afterSequence);
  }

  /** Ends every call and the connection. */
  @Override
  public void close() {
    managed.shutdownNow();
  }

  private static void demand(boolean good, String otherwise) {
    if (!good) {
      throw new IllegalArgumentException(otherwise);
    }
  }

  private static ChannelCredentials tls(Options options) {
    try {
      TlsChannelCredentials.Builder tls = TlsChannelCredentials.newBuilder();
      if (options.ca != null) {
        tls.trustManager(new ByteArrayInputStream(options.ca));
      }
      if (options.cert != null) {
        tls.keyManager(
            new ByteArrayInputStream(options.cert), new ByteArrayInputStream(options.key));
      }
      return tls.build();
    } catch (IOException e) {
      throw new IllegalArgumentException("the certificates cannot be read", e);
    }
  }

  static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }

  private static byte[] read(Map<String, String> env, String variable) {
    String path = env.getOrDefault(variable, "");
    try {
      return path.isEmpty() ? null : Files.readAllBytes(Paths.get(path));
    } catch (IOException e) {
      throw new UncheckedIOException(variable, e);
    }
  }

  @SuppressWarnings("unchecked") // A service config is an object.
  private static Map<String, Object> policy() {
    try (InputStream file = Client.class.getResourceAsStream("policy.json")) {
      return new Gson().fromJson(new InputStreamReader(file, StandardCharsets.UTF_8), Map.class);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
