package io.wecomgw;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.BadRequest.FieldViolation;
import io.grpc.CallOptions;
import io.grpc.MethodDescriptor;
import io.grpc.ServiceDescriptor;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.ClientCalls;
import io.wecomgw.v1.BulkHeader;
import io.wecomgw.v1.BulkItem;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Runs the cases of clients/conformance; its README explains the protocol. */
class ConformanceTest {
  private static final Duration LIMIT = Duration.ofSeconds(60);
  private static final Gson GSON = new Gson();
  private static final HttpClient HTTP =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private static Process server;
  private static String control;

  @TestFactory
  List<DynamicTest> cases() throws Exception {
    server = new ProcessBuilder("../../target/debug/examples/conformance-server").start();
    String line = new BufferedReader(new InputStreamReader(server.getInputStream())).readLine();
    control = JsonParser.parseString(line).getAsJsonObject().get("control").getAsString();
    List<DynamicTest> tests = new ArrayList<>();
    HttpRequest request = HttpRequest.newBuilder(URI.create(control + "/cases")).build();
    for (JsonElement found : JsonParser.parseString(text(request)).getAsJsonArray()) {
      String name = found.getAsJsonObject().get("name").getAsString();
      tests.add(DynamicTest.dynamicTest(name, () -> {
        JsonElement task = JsonParser.parseString(post("/begin/java/" + name, "{}"));
        JsonObject seen = assertTimeoutPreemptively(LIMIT, () -> run(task.getAsJsonObject()));
        assertEquals("", post("/end/java", seen.toString()));
      }));
    }
    return tests;
  }

  @AfterAll
  static void end() throws Exception {
    server.getOutputStream().close();
    server.waitFor();
  }

  private static String post(String path, String body) throws Exception {
    return text(HttpRequest.newBuilder(URI.create(control + path))
        .header("content-type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(body)).build());
  }

  private static String text(HttpRequest request) throws Exception {
    return HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body();
  }

  private static JsonObject run(JsonObject task) throws Exception {
    JsonObject seen = new JsonObject();
    if (task.has("helper")) {
      seen.add("response", json(helper(task.get("helper").getAsString(), task.getAsJsonArray("args"))));
      return seen;
    }
    try (Client client = connect(task)) {
      seen.addProperty("connected", true);
      int times = task.has("times") ? task.get("times").getAsInt() : 1;
      for (int n = 0; n < times && !task.get("call").getAsString().equals("connect"); n++) {
        seen = outcome(client, task);
      }
    } catch (IllegalArgumentException e) {
      seen.addProperty("refused", true);
    }
    return seen;
  }

  @SuppressWarnings("unchecked")
  private static Client connect(JsonObject task) throws Exception {
    if (task.has("env")) {
      return Client.fromEnv(GSON.fromJson(task.get("env"), Map.class));
    }
    JsonObject connect = task.getAsJsonObject("connect");
    Options options = new Options();
    options.token = connect.get("token").getAsString();
    options.ca = file(connect, "ca");
    options.cert = file(connect, "cert");
    options.key = file(connect, "key");
    options.insecureToken = connect.has("insecure_token");
    options.retry = !connect.has("retry");
    if (connect.has("timeout_ms")) {
      options.timeout = Duration.ofMillis(connect.get("timeout_ms").getAsLong());
    }
    if (connect.has("headers")) {
      options.headers.putAll(GSON.fromJson(connect.get("headers"), Map.class));
    }
    return Client.connect(connect.get("address").getAsString(), options);
  }

  private static byte[] file(JsonObject connect, String name) throws Exception {
    return connect.has(name) ? Files.readAllBytes(Path.of(connect.get(name).getAsString())) : null;
  }

  private static JsonObject outcome(Client client, JsonObject task) throws Exception {
    JsonObject seen = new JsonObject();
    JsonArray stream = new JsonArray();
    String call = task.get("call").getAsString();
    int take = task.has("take") ? task.get("take").getAsInt() : -1;
    try {
      if (call.endsWith("_bulk")) {
        seen.add("stream", stream);
        try (BulkEvents events = bulk(client, call, task.getAsJsonObject("request"))) {
          while (stream.size() != take && events.hasNext()) {
            stream.add(json(events.next()));
          }
        }
        return seen;
      }
      MethodDescriptor<Message, Message> method = method(client, call);
      Message prototype = (Message) ((MethodDescriptor.PrototypeMarshaller<Message>) method.getRequestMarshaller()).getMessagePrototype();
      CallOptions options = CallOptions.DEFAULT;
      if (task.has("timeout_ms")) {
        options = options.withDeadlineAfter(task.get("timeout_ms").getAsLong(), TimeUnit.MILLISECONDS);
      }
      if (method.getType() == MethodDescriptor.MethodType.UNARY) {
        Message request = message(prototype, task.get("request"));
        seen.add("response", json(ClientCalls.blockingUnaryCall(client.channel, method, options, request)));
        return seen;
      }
      boolean many = method.getType() != MethodDescriptor.MethodType.CLIENT_STREAMING;
      if (many) {
        seen.add("stream", stream);
      }
      BlockingClientCall<Message, Message> open;
      if (method.getType() == MethodDescriptor.MethodType.SERVER_STREAMING) {
        open = ClientCalls.blockingV2ServerStreamingCall(client.channel, method, options, message(prototype, task.get("request")));
      } else {
        open = ClientCalls.blockingClientStreamingCall(client.channel, method, options);
        for (JsonElement request : task.getAsJsonArray("requests")) {
          open.write(message(prototype, request));
        }
        open.halfClose();
      }
      for (Message answer; stream.size() != take && (answer = open.read()) != null; ) {
        stream.add(json(answer));
      }
      open.cancel("left", null);
      if (!many) {
        seen.add("response", stream.get(0));
      }
    } catch (StatusException | StatusRuntimeException | GatewayError e) {
      seen.add("error", failure(GatewayError.of(e)));
    }
    return seen;
  }

  private static BulkEvents bulk(Client client, String call, JsonObject request) throws Exception {
    if (call.equals("watch_bulk")) {
      long after = request.has("afterSequence") ? request.get("afterSequence").getAsLong() : 0;
      return client.watchBulk(request.get("jobId").getAsString(), after);
    }
    List<BulkItem> items = new ArrayList<>();
    for (JsonElement item : request.getAsJsonArray("items")) {
      items.add((BulkItem) message(BulkItem.getDefaultInstance(), item));
    }
    return client.sendBulk((BulkHeader) message(BulkHeader.getDefaultInstance(), request.get("header")), items);
  }

  @SuppressWarnings("unchecked")
  private static MethodDescriptor<Message, Message> method(Client client, String call) throws Exception {
    String service = call.substring(0, call.indexOf('/'));
    ServiceDescriptor found = (ServiceDescriptor) Class.forName("io.wecomgw.v1." + service + "Grpc")
        .getMethod("getServiceDescriptor").invoke(null);
    return (MethodDescriptor<Message, Message>) found.getMethods().stream()
        .filter(method -> method.getFullMethodName().equals("wecomgw.v1." + call)).findFirst().get();
  }

  private static Message message(Message prototype, JsonElement json) throws Exception {
    Message.Builder builder = prototype.newBuilderForType();
    JsonFormat.parser().merge(json.toString(), builder);
    return builder.build();
  }

  private static JsonElement json(MessageOrBuilder message) throws Exception {
    return JsonParser.parseString(JsonFormat.printer().print(message));
  }

  private static Message helper(String name, JsonArray args) {
    String[] texts = StreamSupport.stream(args.spliterator(), false).map(JsonElement::getAsString).toArray(String[]::new);
    return switch (name) {
      case "text" -> Contents.text(texts[0]);
      case "markdown" -> Contents.markdown(texts[0]);
      case "text_card" -> Contents.textCard(texts[0], texts[1], texts[2]);
      case "image" -> Contents.image(texts[0]);
      case "file" -> Contents.file(texts[0]);
      case "users" -> Contents.users(texts);
      case "departments" -> Contents.departments(GSON.fromJson(args, Integer[].class));
      case "tags" -> Contents.tags(GSON.fromJson(args, Integer[].class));
      case "everyone" -> Contents.everyone();
      default -> throw new AssertionError(name);
    };
  }

  private static JsonObject failure(GatewayError error) {
    JsonObject seen = new JsonObject();
    seen.addProperty("code", error.code.name());
    seen.addProperty("message", error.getMessage());
    seen.addProperty("reason", error.reason);
    seen.addProperty("domain", error.domain);
    seen.add("metadata", GSON.toJsonTree(error.metadata));
    seen.addProperty("errcode", error.errcode);
    seen.addProperty("errmsg", error.errmsg);
    seen.addProperty("retryable", error.retryable);
    seen.addProperty("request_id", error.requestId);
    JsonArray violations = new JsonArray();
    for (FieldViolation violation : error.violations) {
      JsonObject one = new JsonObject();
      one.addProperty("field", violation.getField());
      one.addProperty("description", violation.getDescription());
      violations.add(one);
    }
    seen.add("violations", violations);
    seen.addProperty("native", error.getCause() != null);
    if (error.retryAfter != null) {
      seen.addProperty("retry_after_ms", error.retryAfter.toMillis());
    }
    return seen;
  }
}
