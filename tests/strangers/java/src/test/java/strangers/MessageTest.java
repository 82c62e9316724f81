package strangers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import me.chanjar.weixin.cp.api.WxCpService;
import me.chanjar.weixin.cp.bean.article.MpnewsArticle;
import me.chanjar.weixin.cp.bean.article.NewArticle;
import me.chanjar.weixin.cp.bean.message.TemplateCardMessage;
import me.chanjar.weixin.cp.bean.message.WxCpMessage;
import me.chanjar.weixin.cp.bean.message.WxCpMessageSendResult;
import me.chanjar.weixin.cp.bean.messagebuilder.BaseBuilder;
import me.chanjar.weixin.cp.bean.messagebuilder.TemplateCardBuilder;
import me.chanjar.weixin.cp.bean.taskcard.TaskCardButton;
import me.chanjar.weixin.cp.bean.templatecard.CheckboxOption;
import me.chanjar.weixin.cp.bean.templatecard.HorizontalContent;
import me.chanjar.weixin.cp.bean.templatecard.MultipleSelect;
import me.chanjar.weixin.cp.bean.templatecard.TemplateCardButton;
import me.chanjar.weixin.cp.bean.templatecard.VerticalContent;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MessageTest {
    private final WxCpService wecom = Sandbox.fresh();

    /** Sends to zhangsan; the witness must have this content under the id that the SDK tells. */
    private WxCpMessageSendResult send(BaseBuilder<?> message, String type, String content)
            throws Exception {
        message.toUser("zhangsan");
        WxCpMessageSendResult result = wecom.getMessageService().send(message.build());
        var seen = Sandbox.lastMessage("zhangsan", type, content);
        assertEquals(seen.get("msgid").getAsString(), result.getMsgId());
        assertEquals(Sandbox.AGENT_ID, seen.get("agentid").getAsInt());
        return result;
    }

    @Test
    void text() throws Exception {
        send(WxCpMessage.TEXT().content("午饭 & <b>"), "text", "{'content': '午饭 & <b>'}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"image", "voice", "file"})
    void media(String kind) throws Exception {
        String id = Sandbox.upload(wecom, kind);
        BaseBuilder<?> message = switch (kind) {
            case "image" -> WxCpMessage.IMAGE().mediaId(id);
            case "voice" -> WxCpMessage.VOICE().mediaId(id);
            default -> WxCpMessage.FILE().mediaId(id);
        };
        send(message, kind, "{'media_id': '" + id + "'}");
    }

    @Test
    void video() throws Exception {
        String id = Sandbox.upload(wecom, "video");
        send(WxCpMessage.VIDEO().mediaId(id).title("演示").description("一分钟"), "video",
            "{'media_id': '" + id + "', 'title': '演示', 'description': '一分钟'}");
    }

    @Test
    void textCard() throws Exception {
        send(WxCpMessage.TEXTCARD().title("体检").description("周三")
                .url("https://oa.example.com/health").btnTxt("预约"), "textcard",
            "{'title': '体检', 'description': '周三', 'url': 'https://oa.example.com/health',"
                + " 'btntxt': '预约'}");
    }

    @Test
    void news() throws Exception {
        NewArticle article = NewArticle.builder().title("月报").description("七月")
            .url("https://oa.example.com/7").picUrl("https://oa.example.com/7.png").build();
        send(WxCpMessage.NEWS().addArticle(article), "news",
            "{'articles': [{'title': '月报', 'description': '七月',"
                + " 'url': 'https://oa.example.com/7', 'picurl': 'https://oa.example.com/7.png'}]}");
    }

    @Test
    void mpnewsWithAFieldThatWeComDropped() throws Exception {
        String id = Sandbox.upload(wecom, "image");
        MpnewsArticle article = MpnewsArticle.newBuilder().title("搬家").thumbMediaId(id)
            .author("行政").contentSourceUrl("https://oa.example.com/move").content("<p>七楼</p>")
            .digest("搬到七楼").showCoverPic("1").build();
        send(WxCpMessage.MPNEWS().addArticle(article), "mpnews",
            "{'articles': [{'title': '搬家', 'thumb_media_id': '" + id + "', 'author': '行政',"
                + " 'content_source_url': 'https://oa.example.com/move',"
                + " 'content': '<p>七楼</p>', 'digest': '搬到七楼', 'show_cover_pic': '1'}]}");
    }

    @Test
    void markdown() throws Exception {
        send(WxCpMessage.MARKDOWN().content("**会议室** 301"), "markdown",
            "{'content': '**会议室** 301'}");
    }

    @Test
    void miniProgramNotice() throws Exception {
        send(WxCpMessage.newMiniProgramNoticeBuilder().appId("wx5a9db0c5a9db0c5a")
                .page("pages/room").title("会议室预订成功").description("八月三日上午")
                .emphasisFirstItem(true).contentItems(Map.of("会议室", "301")),
            "miniprogram_notice",
            "{'appid': 'wx5a9db0c5a9db0c5a', 'page': 'pages/room', 'title': '会议室预订成功',"
                + " 'description': '八月三日上午', 'emphasis_first_item': true,"
                + " 'content_item': [{'key': '会议室', 'value': '301'}]}");
    }

    @Test
    void taskCardAndItsClick() throws Exception {
        TaskCardButton yes = TaskCardButton.builder().key("yes").name("同意").replaceName("已同意")
            .color("red").bold(true).build();
        send(WxCpMessage.TASKCARD().title("请假审批").description("李四，两天").taskId("leave-1")
                .buttons(List.of(yes)), "taskcard",
            "{'title': '请假审批', 'description': '李四，两天', 'task_id': 'leave-1', 'btn': ["
                + "{'key': 'yes', 'name': '同意', 'replace_name': '已同意', 'color': 'red',"
                + " 'is_bold': true}]}");
        // The SDK calls it a name, and sends it as clicked_key.
        wecom.getTaskCardService().update(List.of("zhangsan"), "leave-1", "yes");
        assertEquals("yes", lastUpdate("clicked_key"));
    }

    private static String lastUpdate(String field) {
        var updates = Sandbox.list("messages?limit=1").get(0).getAsJsonObject()
            .getAsJsonArray("updates");
        return updates.get(0).getAsJsonObject().get(field).getAsString();
    }

    private static TemplateCardBuilder card(String type) {
        return WxCpMessage.TEMPLATECARD().cardType(type).mainTitleTitle("发布");
    }

    @Test
    void textNotice() throws Exception {
        send(card("text_notice").sourceDesc("流水线").sourceDescColor(3)
                .emphasisContentTitle("100").emphasisContentDesc("分").subTitleText("完成")
                .horizontalContents(List.of(
                    HorizontalContent.builder().keyname("版本").value("1.2").build()))
                .cardActionType(1).cardActionUrl("https://oa.example.com/"), "template_card",
            "{'card_type': 'text_notice', 'source': {'desc': '流水线', 'desc_color': 3},"
                + " 'main_title': {'title': '发布'},"
                + " 'emphasis_content': {'title': '100', 'desc': '分'}, 'sub_title_text': '完成',"
                + " 'horizontal_content_list': [{'keyname': '版本', 'value': '1.2'}],"
                + " 'card_action': {'type': 1, 'url': 'https://oa.example.com/'}}");
    }

    @Test
    void newsNotice() throws Exception {
        send(card("news_notice").cardImageUrl("https://oa.example.com/a.png")
                .cardImageAspectRatio(1.5f)
                .verticalContents(List.of(
                    VerticalContent.builder().title("一").desc("二").build()))
                .cardActionType(1).cardActionUrl("https://oa.example.com/"), "template_card",
            "{'card_type': 'news_notice', 'main_title': {'title': '发布'},"
                + " 'card_image': {'url': 'https://oa.example.com/a.png', 'aspect_ratio': 1.5},"
                + " 'vertical_content_list': [{'title': '一', 'desc': '二'}],"
                + " 'card_action': {'type': 1, 'url': 'https://oa.example.com/'}}");
    }

    @Test
    void buttonInteractionAndItsAnswer() throws Exception {
        TemplateCardButton yes = TemplateCardButton.builder().text("同意").style(1).key("yes").build();
        String code = send(card("button_interaction").taskId("b-1").buttons(List.of(yes)),
            "template_card",
            "{'card_type': 'button_interaction', 'main_title': {'title': '发布'},"
                + " 'task_id': 'b-1',"
                + " 'button_list': [{'text': '同意', 'style': 1, 'key': 'yes', 'type': 0}]}")
            .getResponseCode();
        // Its other way of updating spells every field as Java does.
        TemplateCardMessage spelledWrong = new TemplateCardMessage();
        spelledWrong.setUserids(List.of("zhangsan"));
        spelledWrong.setAgentid(Sandbox.AGENT_ID);
        spelledWrong.setResponseCode(code);
        Sandbox.hasCode(60140,
            () -> wecom.getTaskCardService().updateTemplateCardButton(spelledWrong));
        wecom.getTaskCardService()
            .updateTemplateCardButton(List.of("zhangsan"), null, null, 0, code, "已同意");
        assertEquals("已同意", lastUpdate("replace_name"));
    }

    @Test
    void voteInteraction() throws Exception {
        send(card("vote_interaction").taskId("v-1").checkboxQuestionKey("where").checkboxMode(1)
                .options(List.of(
                    CheckboxOption.builder().id("a").text("食堂").is_checked(true).build()))
                .submitButtonText("提交").submitButtonKey("go"), "template_card",
            "{'card_type': 'vote_interaction', 'main_title': {'title': '发布'}, 'task_id': 'v-1',"
                + " 'checkbox': {'question_key': 'where', 'mode': 1, 'option_list': ["
                + "{'id': 'a', 'text': '食堂', 'is_checked': true}]},"
                + " 'submit_button': {'text': '提交', 'key': 'go'}}");
    }

    @Test
    void multipleInteraction() throws Exception {
        MultipleSelect select = MultipleSelect.builder().question_key("when").title("几点")
            .selected_id("a").options(List.of(CheckboxOption.builder().id("a").text("九点").build()))
            .build();
        send(card("multiple_interaction").taskId("m-1").selects(List.of(select))
                .submitButtonText("提交").submitButtonKey("go"), "template_card",
            "{'card_type': 'multiple_interaction', 'main_title': {'title': '发布'},"
                + " 'task_id': 'm-1', 'submit_button': {'text': '提交', 'key': 'go'},"
                + " 'select_list': [{'question_key': 'when', 'title': '几点', 'selected_id': 'a',"
                + " 'option_list': [{'id': 'a', 'text': '九点'}]}]}");
    }

    /** safe is text here; WeCom's pages say it is a number. */
    @Test
    void safeIsTextAndTaken() throws Exception {
        send(WxCpMessage.TEXT().content("secret").safe("1"), "text", "{'content': 'secret'}");
        var body = Sandbox.list("messages?limit=1").get(0).getAsJsonObject().getAsJsonObject("body");
        assertEquals("\"1\"", body.get("safe").toString());
    }

    @Test
    void partialFailure() throws Exception {
        WxCpMessageSendResult result = wecom.getMessageService().send(
            WxCpMessage.TEXT().toUser("zhangsan|Nobody").toParty("5|77").content("hi").build());
        assertEquals(List.of("nobody"), result.getInvalidUserList());
        assertEquals(List.of("77"), result.getInvalidPartyList());
        Sandbox.hasCode(81013, () -> wecom.getMessageService()
            .send(WxCpMessage.TEXT().toUser("nobody").content("hi").build()));
    }

    @Test
    void recall() throws Exception {
        String id = send(WxCpMessage.TEXT().content("oops"), "text", "{'content': 'oops'}").getMsgId();
        wecom.getMessageService().recall(id);
        var message = Sandbox.list("messages?limit=1").get(0).getAsJsonObject();
        assertTrue(message.get("recalled").getAsBoolean());
    }

    @Test
    void statistics() throws Exception {
        send(WxCpMessage.TEXT().content("hi"), "text", "{'content': 'hi'}");
        var counted = wecom.getMessageService().getStatistics(0).getStatistics().get(0);
        assertEquals(Sandbox.AGENT_ID, counted.getAgentId());
        assertEquals(1, counted.getCount());
    }

    @ParameterizedTest
    @CsvSource({"kill, 40014", "expire, 42001"})
    void aTokenThatEndedEarlyIsRenewed(String end, int code) throws Exception {
        send(WxCpMessage.TEXT().content("one"), "text", "{'content': 'one'}");
        Sandbox.control("POST", "tokens/" + end, "");
        send(WxCpMessage.TEXT().content("two"), "text", "{'content': 'two'}");
        var calls = Sandbox.list("calls?path=message/send");
        assertEquals(code, calls.get(1).getAsJsonObject().get("errcode").getAsInt());
        assertEquals(3, calls.size());
        assertEquals(2, Sandbox.list("calls?path=gettoken").size());
    }
}
