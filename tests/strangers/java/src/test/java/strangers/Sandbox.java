package strangers;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.toMap;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import me.chanjar.weixin.common.error.WxErrorException;
import me.chanjar.weixin.cp.api.WxCpService;
import me.chanjar.weixin.cp.api.impl.WxCpServiceImpl;
import me.chanjar.weixin.cp.config.impl.WxCpDefaultConfigImpl;
import org.junit.jupiter.api.function.Executable;

/** The witness: what arrived, told by the sandbox and not by the SDK. */
final class Sandbox {
    static final String URL = System.getenv("SANDBOX_URL");
    static final int AGENT_ID = Integer.parseInt(System.getenv("SANDBOX_AGENT_ID"));

    /** The smallest files that WeCom takes for what they are. */
    static final Map<String, byte[]> FILES = Map.of(
        "dot.png", "\u0089PNG\r\n\u001a\n not much of a picture".getBytes(ISO_8859_1),
        "beep.amr", ("#!AMR\n<" + "\0".repeat(31)).getBytes(UTF_8),
        "clip.mp4", "\0\0\0\u0018ftypmp42\0\0\0\0isommp42".getBytes(UTF_8),
        "notes.txt", "周会纪要\r\n--not a boundary\r\n".getBytes(UTF_8));

    static final Map<String, String> NAMES = Map.of(
        "image", "dot.png", "voice", "beep.amr", "video", "clip.mp4", "file", "notes.txt");

    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private Sandbox() {}

    /** A client of the first demo app in a sandbox as new. */
    static WxCpService fresh() {
        control("POST", "reset", "");
        return client("SANDBOX_SECRET");
    }

    static WxCpService client(String secret) {
        WxCpDefaultConfigImpl config = new WxCpDefaultConfigImpl();
        config.setBaseApiUrl(URL);
        config.setCorpId(System.getenv("SANDBOX_CORP_ID"));
        config.setCorpSecret(System.getenv(secret));
        config.setAgentId(AGENT_ID);
        WxCpService service = new WxCpServiceImpl();
        service.setWxCpConfigStorage(config);
        return service;
    }

    static void control(String method, String path, String body) {
        HttpRequest request = HttpRequest.newBuilder(URI.create(URL + "/sandbox/" + path))
            .header("content-type", "application/json")
            .method(method, BodyPublishers.ofString(body))
            .build();
        assertTrue(send(request).statusCode() < 300, path);
    }

    static byte[] read(String path) {
        return send(HttpRequest.newBuilder(URI.create(URL + "/sandbox/" + path)).build()).body();
    }

    static JsonArray list(String path) {
        return JsonParser.parseString(new String(read(path), UTF_8)).getAsJsonArray();
    }

    /** What a member got last, of this type and with this content. */
    static JsonObject lastMessage(String user, String type, String content) {
        JsonObject message = list("messages?limit=1&user=" + user).get(0).getAsJsonObject();
        assertEquals(type, message.get("msgtype").getAsString());
        // The SDK writes what was not given as null, which WeCom takes for absent.
        String body = new Gson().toJson(message.getAsJsonObject("body").get(type));
        assertEquals(JsonParser.parseString(content), JsonParser.parseString(body));
        return message;
    }

    static void hasCode(int code, Executable call) {
        WxErrorException refused = assertThrows(WxErrorException.class, call);
        assertEquals(code, refused.getError().getErrorCode());
    }

    static String upload(WxCpService wecom, String kind) throws Exception {
        return wecom.getMediaService().upload(kind, file(NAMES.get(kind)).toFile()).getMediaId();
    }

    static Path file(String name) throws IOException {
        Path path = Files.createTempDirectory("strangers").resolve(name);
        path.getParent().toFile().deleteOnExit();
        path.toFile().deleteOnExit();
        return Files.write(path, FILES.get(name));
    }

    /** A browser: the same page on another host, a choice, the way back; its code and state. */
    static Map<String, String> browse(String page, String choice) {
        URI here = URI.create(page);
        String address = URL + here.getRawPath() + "?" + here.getRawQuery() + choice;
        HttpResponse<byte[]> answer = send(HttpRequest.newBuilder(URI.create(address)).build());
        URI back = URI.create(answer.headers().firstValue("location").orElseThrow());
        assertEquals("oa.example.com", back.getHost());
        return Stream.of(back.getQuery().split("&"))
            .map(pair -> pair.split("=", 2))
            .collect(toMap(pair -> pair[0], pair -> pair[1]));
    }

    private static HttpResponse<byte[]> send(HttpRequest request) {
        try {
            return HTTP.send(request, BodyHandlers.ofByteArray());
        } catch (IOException | InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }
}
