package strangers;

import static java.util.stream.Collectors.toMap;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import me.chanjar.weixin.cp.api.WxCpService;
import me.chanjar.weixin.cp.bean.WxCpDepart;
import me.chanjar.weixin.cp.bean.WxCpUser;
import org.junit.jupiter.api.Test;

class DirectoryTest {
    private final WxCpService wecom = Sandbox.fresh();

    @Test
    void user() throws Exception {
        WxCpUser user = wecom.getUserService().getById("zhangsan");
        assertEquals("zhangsan", user.getUserId());
        assertEquals("张三", user.getName());
        assertEquals(List.of(2L), List.of(user.getDepartIds()));
        Sandbox.hasCode(60111, () -> wecom.getUserService().getById("nobody"));
    }

    @Test
    void departments() throws Exception {
        Map<Long, String> names = wecom.getDepartmentService().list(null).stream()
            .collect(toMap(WxCpDepart::getId, WxCpDepart::getName));
        assertEquals(Map.of(2L, "研发部", 3L, "市场部", 4L, "人事部", 5L, "平台组"), names);
        assertEquals(2, wecom.getDepartmentService().simpleList(2L).size());
        assertEquals("平台组", wecom.getDepartmentService().get(5L).getName());
    }

    @Test
    void listsHaveDirectMembersWhateverFetchChildSays() throws Exception {
        for (boolean fetchChild : new boolean[] {false, true}) {
            assertEquals(7, wecom.getUserService().listByDepartment(2L, fetchChild, 0).size());
            assertEquals(7, wecom.getUserService().listSimpleByDepartment(2L, fetchChild, 0).size());
        }
    }

    @Test
    void idsInPages() throws Exception {
        WxCpService contacts = Sandbox.client("SANDBOX_CONTACTS_SECRET");
        var first = contacts.getUserService().getUserListId(null, 20);
        var second = contacts.getUserService().getUserListId(first.getNextCursor(), 20);
        assertEquals(List.of(20, 11), List.of(first.getDeptUser().size(), second.getDeptUser().size()));
    }

    @Test
    void lookUps() throws Exception {
        String openId = wecom.getUserService().userId2Openid("lisi", null).get("openid");
        assertEquals("lisi", wecom.getUserService().openid2UserId(openId));
        String mail = "lisi@sandbox.example.com";
        assertEquals("lisi", wecom.getUserService().getUserIdByEmail(mail, 1));
    }

    @Test
    void tags() throws Exception {
        assertEquals("值班", wecom.getTagService().listAll().get(0).getName());
        assertEquals(3, wecom.getTagService().listUsersByTagId("1").size());
    }

    @Test
    void agentAndTickets() throws Exception {
        assertEquals("youxiao", wecom.getAgentService().get(Sandbox.AGENT_ID).getName());
        wecom.createJsapiSignature("https://oa.example.com/");
        wecom.createAgentJsapiSignature("https://oa.example.com/");
        assertEquals(1, Sandbox.list("calls?path=get_jsapi_ticket").size());
        assertEquals(1, Sandbox.list("calls?path=ticket/get").size());
    }
}
