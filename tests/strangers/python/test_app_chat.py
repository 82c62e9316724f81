import pytest

from media import upload


@pytest.fixture
def chat(wecom):
    answer = wecom.appchat.create("lunch1", "午饭", "zhangsan", ["zhangsan", "lisi"])
    return answer["chatid"]


def test_create_get_update(wecom, sandbox, chat):
    assert chat == "lunch1"
    wecom.appchat.update(
        chat, name="晚饭", owner="lisi", add_user_list=["wangwu"], del_user_list=["zhangsan"]
    )
    info = wecom.appchat.get(chat)
    assert (info["name"], info["owner"]) == ("晚饭", "lisi")
    assert sorted(info["userlist"]) == ["lisi", "wangwu"]
    assert [one["name"] for one in sandbox.get("chats")] == ["晚饭"]


def article(wecom):
    return {"articles": [{"title": "菜单", "url": "https://oa.example.com/menu"}]}


def page(wecom):
    return {
        "articles": [
            {"title": "菜单", "thumb_media_id": upload(wecom, "image"), "content": "<p>面</p>"}
        ]
    }


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text", lambda _: {"content": "十二点"}),
        ("image", lambda wecom: {"media_id": upload(wecom, "image")}),
        ("voice", lambda wecom: {"media_id": upload(wecom, "voice")}),
        ("file", lambda wecom: {"media_id": upload(wecom, "file")}),
        (
            "video",
            lambda wecom: {
                "media_id": upload(wecom, "video"), "title": "厨房", "description": "直播",
            },
        ),
        (
            "textcard",
            lambda _: {
                "title": "菜单", "description": "面", "url": "https://oa.example.com/menu",
                "btntxt": "看看",
            },
        ),
        ("news", article),
        ("mpnews", page),
        ("markdown", lambda _: {"content": "**面**"}),
    ],
)
def test_send(wecom, sandbox, chat, kind, content):
    content = content(wecom)
    assert wecom.appchat.send(chat, kind, **content)["errcode"] == 0
    message = sandbox.last_message("lisi")
    assert (message["chatid"], message["msgtype"]) == (chat, kind)
    assert message["body"][kind] == content
    assert sorted(message["delivered_to"]) == ["lisi", "zhangsan"]
