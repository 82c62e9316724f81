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
import io.wecomgw.v1.BulkChunk;
import io.wecomgw.v1.BulkHeader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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

  private record Case(String name) {}

  private record Task(String call, String helper, JsonArray args, Map<String, String> env, JsonObject connect,
      JsonObject request, List<byte[]> requests, Duration timeout, int take, int times) {}

  @TestFactory
  Stream<DynamicTest> cases() throws Exception {
    Process server = new ProcessBuilder("../../target/debug/examples/conformance-server").start();
    String control = GSON.fromJson(server.inputReader().readLine(), JsonObject.class).get("control").getAsString();
    var cases = new InputStreamReader(URI.create(control + "/cases").toURL().openStream());
    return Stream.of(GSON.fromJson(cases, Case[].class)).map(found -> DynamicTest.dynamicTest(found.name, () -> {
      Task task = GSON.fromJson(post(control + "/begin/java/" + found.name + "?bytes&files", "{}"), Task.class);
      String mistakes = assertTimeoutPreemptively(Duration.ofSeconds(60), () -> run(task, control + "/end/java"));
      assertEquals("", mistakes);
    }));
  }

  private static String post(String url, String body) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(url)).POST(BodyPublishers.ofString(body)).build();
    return HTTP.send(request, BodyHandlers.ofString()).body();
  }

  /** Gives the mistakes; until the server has told them, nothing but the call itself ends its streams. */
  private static String run(Task task, String end) throws Exception {
    Map<String, Object> seen = Map.of();
    try (Client client = task.env != null ? Client.fromEnv(task.env)
        : Client.connect(task.connect.get("address").getAsString(), GSON.fromJson(task.connect, Options.class))) {
      for (int left = task.times; left > 0; left--) {
        seen = call(client, task);
      }
      return post(end, GSON.toJson(seen));
    } catch (IllegalArgumentException e) {
      return post(end, GSON.toJson(Map.of("refused", true)));
    }
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
    record Bulk(byte[] header, byte[] chunk, String jobId, long afterSequence) {}
    Bulk bulk = new Gson().fromJson(task.request, Bulk.class);
    try (BulkEvents events = task.call.equals("watch_bulk") ? client.watchBulk(bulk.jobId, bulk.afterSequence)
        : client.sendBulk(BulkHeader.parseFrom(bulk.header), BulkChunk.parseFrom(bulk.chunk).getItemsList())) {
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
    var options = task.timeout == null ? CallOptions.DEFAULT : CallOptions.DEFAULT.withDeadlineAfter(task.timeout);
    var requests = task.requests.stream().map(bytes -> method.parseRequest(new ByteArrayInputStream(bytes))).toList();
    if (method.getType() == MethodType.UNARY) {
      messages.add(ClientCalls.blockingUnaryCall(client.channel, method, options, requests.get(0)).toByteArray());
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
    boolean list = helper.isVarArgs();
    Object[] values = (Object[]) GSON.fromJson(args, list ? helper.getParameterTypes()[0] : String[].class);
    return (Message) helper.invoke(null, list ? new Object[] {values} : values);
  }

  private static Map<String, Object> failure(GatewayError e) {
    var violations = e.violations.stream().map(v -> Map.of("field", v.getField(), "description", v.getDescription()));
    var seen = new HashMap<String, Object>(Map.of("code", e.code, "message", e.getMessage(), "reason", e.reason,
        "domain", e.domain, "metadata", e.metadata, "errcode", e.errcode, "errmsg", e.errmsg,
        "retryable", e.retryable, "requestId", e.requestId, "violations", violations.toList()));
    seen.put("native", e.getCause() != null);
    seen.put("retryAfterMs", e.retryAfter == null ? null : e.retryAfter.toMillis());
    return seen;
  }
}
