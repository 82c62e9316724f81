import pytest
from wechatpy.exceptions import WeChatClientException

from media import upload


def sent(sandbox, answer, kind):
    """The content as it went over the wire, once the witness has agreed to the rest."""
    message = sandbox.last_message()
    assert answer["errcode"] == 0
    assert message["msgid"] == answer["msgid"]
    assert (message["msgtype"], message["agentid"]) == (kind, sandbox.agent_id)
    assert message["delivered_to"] == ["zhangsan"]
    return message["body"][kind]


def test_text(wecom, sandbox):
    answer = wecom.message.send_text(sandbox.agent_id, "zhangsan", "午饭到了 & <b>", safe=1)
    assert sent(sandbox, answer, "text") == {"content": "午饭到了 & <b>"}
    assert sandbox.last_message()["body"]["safe"] == 1


@pytest.mark.parametrize("kind", ["image", "voice", "file"])
def test_media(wecom, sandbox, kind):
    media_id = upload(wecom, kind)
    send = getattr(wecom.message, f"send_{kind}")
    assert sent(sandbox, send(sandbox.agent_id, "zhangsan", media_id), kind) == {
        "media_id": media_id
    }


def test_video(wecom, sandbox):
    video = {"media_id": upload(wecom, "video"), "title": "演示", "description": "一分钟"}
    answer = wecom.message.send_video(sandbox.agent_id, "zhangsan", **video)
    assert sent(sandbox, answer, "video") == video


def test_text_card(wecom, sandbox):
    card = {
        "title": "体检通知",
        "description": '<div class="gray">周三</div>',
        "url": "https://oa.example.com/health",
        "btntxt": "预约",
    }
    answer = wecom.message.send_text_card(sandbox.agent_id, "zhangsan", **card)
    assert sent(sandbox, answer, "textcard") == card


def test_news(wecom, sandbox):
    article = {"title": "月报", "description": "七月", "url": "https://oa.example.com/7"}
    picture = "https://oa.example.com/7.png"
    answer = wecom.message.send_articles(
        sandbox.agent_id, "zhangsan", [article | {"image": picture}]
    )
    assert sent(sandbox, answer, "news") == {"articles": [article | {"picurl": picture}]}


def test_mpnews_with_a_field_that_wecom_dropped(wecom, sandbox):
    article = {
        "thumb_media_id": upload(wecom, "image"),
        "author": "行政",
        "title": "搬家",
        "content": "<p>七楼</p>",
        "content_source_url": "https://oa.example.com/move",
        "digest": "搬到七楼",
        "show_cover_pic": 1,
    }
    answer = wecom.message.send_mp_articles(sandbox.agent_id, "zhangsan", [article])
    assert sent(sandbox, answer, "mpnews") == {"articles": [article]}


def test_markdown(wecom, sandbox):
    text = "**会议室** <font color=\"info\">301</font>\n> 十点"
    answer = wecom.message.send_markdown(sandbox.agent_id, "zhangsan", text)
    assert sent(sandbox, answer, "markdown") == {"content": text}


# The types that came after the SDK go through its general `send`.
LATER = {
    "miniprogram_notice": {
        "appid": "wx5a9db0c5a9db0c5a",
        "page": "pages/room",
        "title": "会议室预订成功",
        "description": "八月三日上午",
        "emphasis_first_item": True,
        "content_item": [{"key": "会议室", "value": "301"}],
    },
    "taskcard": {
        "title": "请假审批",
        "description": "李四，两天",
        "task_id": "leave-1",
        "btn": [{"key": "yes", "name": "同意"}, {"key": "no", "name": "拒绝"}],
    },
    "template_card": {
        "card_type": "text_notice",
        "main_title": {"title": "发布完成", "desc": "一切正常"},
        "card_action": {"type": 1, "url": "https://oa.example.com/release"},
    },
}


@pytest.mark.parametrize("kind", LATER)
def test_general_send(wecom, sandbox, kind):
    message = {"msgtype": kind, kind: LATER[kind]}
    answer = wecom.message.send(sandbox.agent_id, "zhangsan", msg=message)
    assert sent(sandbox, answer, kind) == LATER[kind]


def test_lists_of_recipients_and_those_who_are_none(wecom, sandbox):
    answer = wecom.message.send_text(
        sandbox.agent_id, ["zhangsan", "Nobody"], "hi", party_ids=["5", "77"], tag_ids=["2"]
    )
    assert (answer["invaliduser"], answer["invalidparty"]) == ("nobody", "77")
    assert answer["unlicenseduser"] == "zhoujiu|qinchuan"
    delivered = sandbox.last_message()["delivered_to"]
    assert {"zhangsan", "LiLei", "wangwu", "baiyun"} <= set(delivered)


def test_an_errcode_is_an_exception(wecom, sandbox):
    with pytest.raises(WeChatClientException) as error:
        wecom.message.send_text(sandbox.agent_id, "nobody", "hi")
    assert error.value.errcode == 81013
    assert sandbox.get("messages") == []


@pytest.mark.parametrize("end", ["kill", "expire"])
def test_a_token_that_ended_early_is_renewed(wecom, sandbox, end):
    wecom.message.send_text(sandbox.agent_id, "zhangsan", "one")
    sandbox.post(f"tokens/{end}")
    wecom.message.send_text(sandbox.agent_id, "zhangsan", "two")
    code = {"kill": 40014, "expire": 42001}[end]
    assert [call["errcode"] for call in sandbox.calls("message/send")] == [0, code, 0]
    assert len(sandbox.calls("gettoken")) == 2
