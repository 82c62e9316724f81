package strangers;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import me.chanjar.weixin.cp.api.WxCpService;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MediaTest {
    private final WxCpService wecom = Sandbox.fresh();

    @ParameterizedTest
    @ValueSource(strings = {"image", "voice", "video", "file"})
    void whatGoesUpComesDown(String kind) throws Exception {
        String name = Sandbox.NAMES.get(kind);
        byte[] content = Sandbox.FILES.get(name);
        String id = Sandbox.upload(wecom, kind);
        assertArrayEquals(content, Sandbox.read("media/" + id));
        var kept = Sandbox.list("media").get(0).getAsJsonObject();
        assertEquals(name, kept.get("file_name").getAsString());
        var downloaded = wecom.getMediaService().download(id).toPath();
        assertArrayEquals(content, Files.readAllBytes(downloaded));
        Files.delete(downloaded);
    }

    @Test
    void uploadFromAStream() throws Exception {
        byte[] content = Sandbox.FILES.get("notes.txt");
        var uploaded = wecom.getMediaService()
            .upload("file", "txt", new ByteArrayInputStream(content));
        assertArrayEquals(content, Sandbox.read("media/" + uploaded.getMediaId()));
    }

    @Test
    void unknownMedia() {
        Sandbox.hasCode(40007, () -> wecom.getMediaService().download("nothing"));
    }

    @Test
    void pictureForAnArticle() throws Exception {
        String url = wecom.getMediaService().uploadImg(Sandbox.file("dot.png").toFile());
        var picture = Sandbox.list("pictures").get(0).getAsJsonObject();
        assertEquals(url, picture.get("url").getAsString());
        assertEquals(Sandbox.FILES.get("dot.png").length, picture.get("size_bytes").getAsInt());
    }
}
