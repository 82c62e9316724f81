package strangers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import me.chanjar.weixin.cp.api.WxCpOAuth2Service;
import me.chanjar.weixin.cp.api.WxCpService;
import me.chanjar.weixin.cp.bean.WxCpOauth2UserInfo;
import org.junit.jupiter.api.Test;

class LoginTest {
    private static final String BACK = "https://oa.example.com/back?from=wecom";

    private final WxCpService wecom = Sandbox.fresh();
    private final WxCpOAuth2Service login = wecom.getOauth2Service();

    @Test
    void login() throws Exception {
        String page = login.buildAuthorizationUrl(BACK, "abc1");
        assertTrue(page.startsWith("https://open.weixin.qq.com/connect/oauth2/authorize?"));
        var returned = Sandbox.browse(page, "&user=zhangsan");
        assertEquals("abc1", returned.get("state"));
        String code = returned.get("code");
        assertEquals("zhangsan", login.getUserInfo(code).getUserId());
        Sandbox.hasCode(40029, () -> login.getUserInfo(code));
    }

    @Test
    void aStrangerHasNoUserId() throws Exception {
        String page = login.buildAuthorizationUrl(BACK, "abc1");
        var visitor = login.getUserInfo(Sandbox.browse(page, "&user=*stranger").get("code"));
        assertNull(visitor.getUserId());
        assertNotNull(visitor.getOpenId());
    }

    /** It calls auth/getuserinfo and reads the spelling of user/getuserinfo. */
    @Test
    void theNewerCallIsReadInTheOlderSpelling() throws Exception {
        assertNull(byTheNewerCall().getUserId());
        Sandbox.control("PUT", "settings", "{\"legacy_identity\": true}");
        WxCpOauth2UserInfo visitor = byTheNewerCall();
        assertEquals("zhangsan", visitor.getUserId());
        var detail = login.getUserDetail(visitor.getUserTicket());
        assertEquals("zhangsan", detail.getUserId());
        assertTrue(detail.getMobile().startsWith("100"));
    }

    private WxCpOauth2UserInfo byTheNewerCall() throws Exception {
        String page = login.buildAuthorizationUrl(BACK, "s1", "snsapi_privateinfo");
        var returned = Sandbox.browse(page, "&user=zhangsan&consent=yes");
        return login.getAuthUserInfo(returned.get("code"));
    }

    @Test
    void loginByQrCode() throws Exception {
        var returned = Sandbox.browse(wecom.buildQrConnectUrl(BACK, "s1"), "&user=lisi");
        assertEquals("s1", returned.get("state"));
        assertEquals("lisi", login.getUserInfo(returned.get("code")).getUserId());
    }
}
