package io.wecomgw;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.grpc.CallOptions;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.MethodDescriptor.PrototypeMarshaller;
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
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Runs the cases of clients/conformance; its README explains the protocol. */
class ConformanceTest {
  private static final Gson GSON = new Gson();
  private static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private static Process server;

  @TestFactory
  Stream<DynamicTest> cases() throws Exception {
    server = new ProcessBuilder("../../target/debug/examples/conformance-server").start();
    String line = new BufferedReader(new InputStreamReader(server.getInputStream())).readLine();
    String control = GSON.fromJson(line, JsonObject.class).get("control").getAsString();
    String cases = ask(HttpRequest.newBuilder(URI.create(control + "/cases")));
    return stream(JsonParser.parseString(cases).getAsJsonArray()).map(found -> {
      String name = found.getAsJsonObject().get("name").getAsString();
      return DynamicTest.dynamicTest(name, () -> {
        String task = post(control + "/begin/java/" + name, "{}");
        Object seen = assertTimeoutPreemptively(
            Duration.ofSeconds(60), () -> run(GSON.fromJson(task, JsonObject.class)));
        assertEquals("", post(control + "/end/java", GSON.toJson(seen)));
      });
    });
  }

  @AfterAll
  static void end() throws Exception {
    server.getOutputStream().close();
    server.waitFor();
  }

  private static String post(String url, String body) throws Exception {
    return ask(HttpRequest.newBuilder(URI.create(url)).POST(BodyPublishers.ofString(body)));
  }

  private static String ask(HttpRequest.Builder request) throws Exception {
    return HTTP.send(request.build(), BodyHandlers.ofString()).body();
  }

  private static Stream<JsonElement> stream(JsonArray items) {
    return StreamSupport.stream(items.spliterator(), false);
  }

  private static Map<String, Object> run(JsonObject task) throws Exception {
    if (task.has("helper")) {
      Message made = helper(task.get("helper").getAsString(), task.getAsJsonArray("args"));
      return Map.of("response", json(made));
    }
    Map<String, Object> seen = Map.of("connected", true);
    try (Client client = connect(task)) {
      for (int times = task.get("times").getAsInt(); times > 0; times--) {
        seen = call(client, task);
      }
    } catch (IllegalArgumentException e) {
      seen = Map.of("refused", true);
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
    options.insecureToken = connect.get("insecure_token").getAsBoolean();
    options.retry = connect.get("retry").getAsBoolean();
    options.headers.putAll(GSON.fromJson(connect.get("headers"), Map.class));
    if (connect.has("timeout_ms")) {
      options.timeout = Duration.ofMillis(connect.get("timeout_ms").getAsLong());
    }
    return Client.connect(connect.get("address").getAsString(), options);
  }

  private static byte[] file(JsonObject connect, String name) throws Exception {
    return connect.has(name) ? Files.readAllBytes(Path.of(connect.get(name).getAsString())) : null;
  }

  /** Makes the call of a task, whatever it is. */
  private static Map<String, Object> call(Client client, JsonObject task) throws Exception {
    List<Object> messages = new ArrayList<>();
    Map<String, Object> seen = new HashMap<>(Map.of("messages", messages));
    int take = task.get("take").getAsInt();
    try {
      if (task.has("requests")) {
        open(client, task, messages, take);
        return seen;
      }
      try (BulkEvents events = bulk(client, task)) {
        while (messages.size() < take && events.hasNext()) {
          messages.add(json(events.next()));
        }
      }
    } catch (StatusException | StatusRuntimeException | GatewayError e) {
      seen.put("error", failure(GatewayError.of(e)));
    }
    return seen;
  }

  private static BulkEvents bulk(Client client, JsonObject task) throws Exception {
    JsonObject request = task.getAsJsonObject("request");
    if (task.get("call").getAsString().equals("watch_bulk")) {
      long after = request.has("afterSequence") ? request.get("afterSequence").getAsLong() : 0;
      return client.watchBulk(request.get("jobId").getAsString(), after);
    }
    List<BulkItem> items = new ArrayList<>();
    for (JsonElement item : request.getAsJsonArray("items")) {
      items.add(message(BulkItem.getDefaultInstance(), item));
    }
    return client.sendBulk(message(BulkHeader.getDefaultInstance(), request.get("header")), items);
  }

  @SuppressWarnings("unchecked")
  private static void open(Client client, JsonObject task, List<Object> messages, int take) throws Exception {
    String[] name = task.get("call").getAsString().split("/");
    var service = Class.forName("io.wecomgw.v1." + name[0] + "Grpc").getMethod("getServiceDescriptor");
    var methods = ((ServiceDescriptor) service.invoke(null)).getMethods().stream();
    var method = (MethodDescriptor<Message, Message>)
        methods.filter(found -> found.getBareMethodName().equals(name[1])).findFirst().get();
    CallOptions options = CallOptions.DEFAULT;
    if (task.has("timeout_ms")) {
      options = options.withDeadlineAfter(task.get("timeout_ms").getAsLong(), TimeUnit.MILLISECONDS);
    }
    var prototype = ((PrototypeMarshaller<Message>) method.getRequestMarshaller()).getMessagePrototype();
    List<Message> requests = new ArrayList<>();
    for (JsonElement request : task.getAsJsonArray("requests")) {
      requests.add(message(prototype, request));
    }
    BlockingClientCall<Message, Message> call;
    if (method.getType() == MethodType.UNARY) {
      messages.add(json(ClientCalls.blockingUnaryCall(client.channel, method, options, requests.get(0))));
      return;
    } else if (method.getType() == MethodType.SERVER_STREAMING) {
      call = ClientCalls.blockingV2ServerStreamingCall(client.channel, method, options, requests.get(0));
    } else {
      call = ClientCalls.blockingBidiStreamingCall(client.channel, method, options);
      for (Message request : requests) {
        call.write(request);
      }
      call.halfClose();
    }
    for (Message answer; messages.size() < take && (answer = call.read()) != null; ) {
      messages.add(json(answer));
    }
    call.cancel("left", null);
  }

  @SuppressWarnings("unchecked")
  private static <M extends Message> M message(M prototype, JsonElement json) throws Exception {
    Message.Builder builder = prototype.newBuilderForType();
    JsonFormat.parser().merge(json.toString(), builder);
    return (M) builder.build();
  }

  private static JsonElement json(Message message) throws Exception {
    return JsonParser.parseString(JsonFormat.printer().print(message));
  }

  private static Message helper(String name, JsonArray args) {
    String[] texts = stream(args).map(JsonElement::getAsString).toArray(String[]::new);
    return switch (name) {
      case "text" -> Contents.text(texts[0]);
      case "markdown" -> Contents.markdown(texts[0]);
      case "text_card" -> Contents.textCard(texts[0], texts[1], texts[2]);
      case "image" -> Contents.image(texts[0]);
      case "file" -> Contents.file(texts[0]);
      case "users" -> Contents.users(texts);
      case "departments" -> Contents.departments(GSON.fromJson(args, Integer[].class));
      case "tags" -> Contents.tags(GSON.fromJson(args, Integer[].class));
      default -> Contents.everyone();
    };
  }

  private static Map<String, Object> failure(GatewayError error) {
    var violations = error.violations.stream()
        .map(v -> Map.of("field", v.getField(), "description", v.getDescription()));
    var seen = new HashMap<String, Object>(Map.of(
        "code", error.code.name(), "message", error.getMessage(), "reason", error.reason,
        "domain", error.domain, "metadata", error.metadata, "errcode", error.errcode,
        "errmsg", error.errmsg, "retryable", error.retryable, "requestId", error.requestId));
    seen.put("violations", violations.toList());
    seen.put("native", error.getCause() != null);
    if (error.retryAfter != null) {
      seen.put("retryAfterMs", error.retryAfter.toMillis());
    }
    return seen;
  }
}
