import hashlib

import pytest
from wechatpy.exceptions import WeChatClientException

from media import FILES


@pytest.mark.parametrize("kind", FILES)
def test_what_goes_up_comes_down(wecom, sandbox, kind):
    answer = wecom.media.upload(kind, FILES[kind])
    name, content = FILES[kind]
    assert answer["type"] == kind
    assert sandbox.upload(answer["media_id"]) == content
    [kept] = sandbox.get("media")
    assert kept["file_name"] == name
    assert wecom.media.download(answer["media_id"]).content == content


def test_picture_for_an_article(wecom, sandbox):
    url = wecom.media.upload_img((*FILES["image"], "image/png"))["url"]
    [picture] = sandbox.get("pictures")
    assert picture["url"] == url
    assert picture["sha256"] == hashlib.sha256(FILES["image"][1]).hexdigest()


def test_a_picture_for_an_article_must_say_its_type(wecom):
    with pytest.raises(WeChatClientException) as error:
        wecom.media.upload_img(FILES["image"])
    assert error.value.errcode == 44001
