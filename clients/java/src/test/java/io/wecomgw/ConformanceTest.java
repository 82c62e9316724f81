package io.wecomgw;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import com.google.gson.FieldNamingPolicy;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonDeserializer;
import com.google.gson.JsonObject;
import com.google.protobuf.Message;
import io.grpc.CallOptions;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.wecomgw.v1.BulkHeader;
import io.wecomgw.v1.BulkItem;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
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
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Runs the cases of clients/conformance; its README explains the protocol. Messages are bytes. */
class ConformanceTest {
  private static final Gson GSON = new GsonBuilder()
      .registerTypeAdapter(Duration.class, (JsonDeserializer<Duration>) (ms, t, c) -> Duration.ofMillis(ms.getAsLong()))
      .setFieldNamingStrategy(field -> field.getType() == Duration.class
          ? "timeout_ms" : FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES.translateName(field))
      .create();
  private static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private static Process server;

  private record Case(String name) {}

  private record Task(String call, String helper, JsonArray args, Map<String, String> env, JsonObject connect,
      JsonObject request, List<byte[]> requests, Duration timeout, int take, int times) {}

  @TestFactory
  Stream<DynamicTest> cases() throws Exception {
    server = new ProcessBuilder("../../target/debug/examples/conformance-server").start();
    String line = new BufferedReader(new InputStreamReader(server.getInputStream())).readLine();
    String control = GSON.fromJson(line, JsonObject.class).get("control").getAsString();
    var cases = new InputStreamReader(URI.create(control + "/cases").toURL().openStream());
    return Stream.of(GSON.fromJson(cases, Case[].class)).map(found -> DynamicTest.dynamicTest(found.name, () -> {
      Task task = GSON.fromJson(post(control + "/begin/java/" + found.name + "?bytes", "{}"), Task.class);
      Object seen = assertTimeoutPreemptively(Duration.ofSeconds(60), () -> run(task));
      assertEquals("", post(control + "/end/java", GSON.toJson(seen)));
    }));
  }

  private static String post(String url, String body) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(url)).POST(BodyPublishers.ofString(body)).build();
    return HTTP.send(request, BodyHandlers.ofString()).body();
  }

  private static Map<String, Object> run(Task task) throws Exception {
    Map<String, Object> seen = new HashMap<>();
    try (Client client = task.env == null ? connect(task.connect) : Client.fromEnv(task.env)) {
      for (int left = task.times; left > 0; left--) {
        seen = call(client, task);
      }
    } catch (IllegalArgumentException e) {
      seen.put("refused", true);
    }
    return seen;
  }

  private static Client connect(JsonObject connect) throws Exception {
    for (String name : List.of("ca", "cert", "key")) {
      if (connect.has(name)) {
        connect.add(name, GSON.toJsonTree(Files.readAllBytes(Path.of(connect.get(name).getAsString()))));
      }
    }
    return Client.connect(connect.get("address").getAsString(), GSON.fromJson(connect, Options.class));
  }

  /** Makes the call of a task, whatever it is. */
  private static Map<String, Object> call(Client client, Task task) throws Exception {
    List<byte[]> messages = new ArrayList<>();
    Map<String, Object> seen = new HashMap<>(Map.of("messages", messages));
    try {
      switch (task.call) {
        case "helper" -> messages.add(helper(task.helper, task.args).toByteArray());
        case "send_bulk", "watch_bulk" -> bulk(client, task, messages);
        default -> open(client, task, messages);
      }
    } catch (StatusException | StatusRuntimeException | GatewayError e) {
      seen.put("error", failure(GatewayError.of(e)));
    }
    return seen;
  }

  private static void bulk(Client client, Task task, List<byte[]> messages) throws Exception {
    record Bulk(byte[] header, List<byte[]> items, String jobId, long afterSequence) {}
    Bulk bulk = new Gson().fromJson(task.request, Bulk.class);
    List<BulkItem> items = new ArrayList<>();
    for (byte[] item : task.call.equals("send_bulk") ? bulk.items : List.<byte[]>of()) {
      items.add(BulkItem.parseFrom(item));
    }
    try (BulkEvents events = task.call.equals("send_bulk")
        ? client.sendBulk(BulkHeader.parseFrom(bulk.header), items)
        : client.watchBulk(bulk.jobId, bulk.afterSequence)) {
      while (messages.size() < task.take && events.hasNext()) {
        messages.add(events.next().toByteArray());
      }
    }
  }

  @SuppressWarnings("unchecked") // Every method takes and gives messages.
  private static void open(Client client, Task task, List<byte[]> messages) throws Exception {
    String[] name = task.call.split("/");
    var service = Class.forName("io.wecomgw.v1." + name[0] + "Grpc");
    var method = (MethodDescriptor<Message, Message>) service.getMethod("get" + name[1] + "Method").invoke(null);
    CallOptions options = task.timeout == null ? CallOptions.DEFAULT
        : CallOptions.DEFAULT.withDeadlineAfter(task.timeout.toMillis(), TimeUnit.MILLISECONDS);
    var requests = task.requests.stream().map(bytes -> method.parseRequest(new ByteArrayInputStream(bytes))).toList();
    if (method.getType() == MethodType.UNARY) {
      var answer = ClientCalls.blockingUnaryCall(client.channel, method, options, requests.get(0));
      messages.add(answer.toByteArray());
      return;
    }
    var stream = method.toBuilder().setType(MethodType.BIDI_STREAMING).build();
    var call = ClientCalls.blockingBidiStreamingCall(client.channel, stream, options);
    for (Message request : requests) {
      call.write(request);
    }
    call.halfClose();
    for (Message answer; messages.size() < task.take && (answer = call.read()) != null; ) {
      messages.add(answer.toByteArray());
    }
    call.cancel("left", null);
  }

  /** Calls a function of the package by the name that cases have for it. */
  private static Message helper(String name, JsonArray args) throws Exception {
    var methods = Stream.of(Contents.class.getMethods());
    var helper = methods.filter(found -> found.getName().equalsIgnoreCase(name.replace("_", ""))).findFirst().get();
    Object[] texts = helper.isVarArgs() ? null : GSON.fromJson(args, String[].class);
    return (Message) helper.invoke(null, texts != null ? texts
        : new Object[] {GSON.fromJson(args, helper.getParameterTypes()[0])});
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
    seen.put("retryAfterMs", error.retryAfter == null ? null : error.retryAfter.toMillis());
    return seen;
  }
}
