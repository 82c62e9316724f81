"""The sandbox as these tests see it, and the way of wechatpy's requests to it."""

import os
from urllib.parse import urlsplit

import pytest
import requests
from wechatpy.enterprise import WeChatClient

WECOM = "qyapi.weixin.qq.com"


class Sandbox:
    """The witness: what arrived, told by the sandbox and not by the SDK."""

    url = os.environ["SANDBOX_URL"]
    corp_id = os.environ["SANDBOX_CORP_ID"]
    agent_id = int(os.environ["SANDBOX_AGENT_ID"])
    secret = os.environ["SANDBOX_SECRET"]

    def get(self, path):
        return requests.get(f"{self.url}/sandbox/{path}").json()

    def post(self, path):
        requests.post(f"{self.url}/sandbox/{path}").raise_for_status()

    def last_message(self, user="zhangsan"):
        return self.get(f"messages?user={user}&limit=1")[0]

    def calls(self, path):
        return self.get(f"calls?path={path}")

    def upload(self, media_id):
        return requests.get(f"{self.url}/sandbox/media/{media_id}").content


@pytest.fixture
def sandbox():
    sandbox = Sandbox()
    sandbox.post("reset")
    return sandbox


@pytest.fixture
def wecom(sandbox, monkeypatch):
    """A client as anyone would make it. It has no setting for the address, and fetches
    files outside of its own session: hence the change below both, of scheme and host."""
    to_sandbox = urlsplit(sandbox.url)
    send = requests.adapters.HTTPAdapter.send

    def send_to_sandbox(adapter, request, **options):
        address = urlsplit(request.url)
        if address.netloc == WECOM:
            address = address._replace(scheme=to_sandbox.scheme, netloc=to_sandbox.netloc)
            request.url = address.geturl()
        return send(adapter, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send_to_sandbox)
    return WeChatClient(sandbox.corp_id, sandbox.secret)
