package strangers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.gson.JsonParser;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import me.chanjar.weixin.cp.api.WxCpService;
import me.chanjar.weixin.cp.bean.WxCpChat;
import me.chanjar.weixin.cp.bean.article.MpnewsArticle;
import me.chanjar.weixin.cp.bean.article.NewArticle;
import me.chanjar.weixin.cp.bean.message.WxCpAppChatMessage;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AppChatTest {
    private final WxCpService wecom = Sandbox.fresh();

    @BeforeEach
    void create() throws Exception {
        List<String> members = List.of("zhangsan", "lisi");
        assertEquals("lunch1", wecom.getChatService().create("午饭", "zhangsan", members, "lunch1"));
    }

    @Test
    void update() throws Exception {
        wecom.getChatService()
            .update("lunch1", "晚饭", "lisi", List.of("wangwu"), List.of("zhangsan"));
        WxCpChat chat = wecom.getChatService().get("lunch1");
        assertEquals("晚饭", chat.getName());
        assertEquals("lisi", chat.getOwner());
        assertEquals(Set.of("lisi", "wangwu"), new HashSet<>(chat.getUsers()));
        var seen = Sandbox.list("chats").get(0).getAsJsonObject();
        assertEquals("晚饭", seen.get("name").getAsString());
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "text", "image", "voice", "video", "file", "textcard", "news", "mpnews", "markdown"})
    void send(String kind) throws Exception {
        boolean file = Sandbox.NAMES.containsKey(kind);
        String id = file || kind.equals("mpnews")
            ? Sandbox.upload(wecom, file ? kind : "image") : null;
        WxCpAppChatMessage message = WxCpAppChatMessage.builder().chatId("lunch1").msgType(kind)
            .content("**面**").mediaId(file ? id : null).title("菜单").description("面")
            .url("https://oa.example.com/menu").btnTxt("看看")
            .articles(List.of(NewArticle.builder().title("菜单").description("面")
                .url("https://oa.example.com/menu").build()))
            .mpnewsArticles(List.of(MpnewsArticle.newBuilder().title("菜单").thumbMediaId(id)
                .content("<p>面</p>").build()))
            .build();
        wecom.getChatService().sendMsg(message);
        String content = switch (kind) {
            case "text", "markdown" -> "{'content': '**面**'}";
            case "video" -> "{'media_id': '" + id + "', 'title': '菜单', 'description': '面'}";
            case "textcard" -> "{'title': '菜单', 'description': '面',"
                + " 'url': 'https://oa.example.com/menu', 'btntxt': '看看'}";
            case "news" -> "{'articles': [{'title': '菜单', 'description': '面',"
                + " 'url': 'https://oa.example.com/menu'}]}";
            case "mpnews" -> "{'articles': [{'title': '菜单', 'thumb_media_id': '" + id
                + "', 'content': '<p>面</p>'}]}";
            default -> "{'media_id': '" + id + "'}";
        };
        var seen = Sandbox.lastMessage("lisi", kind, content);
        assertEquals("lunch1", seen.get("chatid").getAsString());
        assertEquals(JsonParser.parseString("['zhangsan', 'lisi']"), seen.get("delivered_to"));
    }
}
