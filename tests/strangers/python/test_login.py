from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from wechatpy.exceptions import WeChatClientException

BACK = "https://oa.example.com/back?from=wecom"


def browse(sandbox, url, user):
    """A browser inside WeCom: the same page on another host, a choice, the way back."""
    here = urlsplit(url)
    page = requests.get(
        f"{sandbox.url}{here.path}?{here.query}&user={user}", allow_redirects=False
    )
    location = page.headers["location"]
    assert location.startswith(BACK)
    return {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}


def test_login(wecom, sandbox):
    url = wecom.oauth.authorize_url(BACK, state="abc1")
    assert url.startswith("https://open.weixin.qq.com/connect/oauth2/authorize?")
    returned = browse(sandbox, url, "zhangsan")
    assert returned["state"] == "abc1"
    # The SDK has the older call, which spells in its own way.
    assert wecom.oauth.get_user_info(returned["code"])["UserId"] == "zhangsan"
    with pytest.raises(WeChatClientException) as error:
        wecom.oauth.get_user_info(returned["code"])
    assert error.value.errcode == 40029


def test_a_stranger_has_no_user_id(wecom, sandbox):
    code = browse(sandbox, wecom.oauth.authorize_url(BACK), "*stranger")["code"]
    visitor = wecom.user.get_info(sandbox.agent_id, code)
    assert "UserId" not in visitor and visitor["OpenId"]
