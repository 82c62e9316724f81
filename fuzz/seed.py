"""Writes the seeds of the corpora: the examples, the fixtures, and a few by hand.

    tools/venv/bin/python fuzz/seed.py
"""

import json
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "clients/python/src"))

from google.protobuf import json_format, symbol_database  # noqa: E402
from wecomgw.v1 import (  # noqa: E402, F401
    app_chat_service_pb2,
    auth_service_pb2,
    bulk_service_pb2,
    gateway_service_pb2,
    media_service_pb2,
    message_service_pb2,
    user_service_pb2,
)

# By the numbers in src/grpc/fuzzing.rs.
REQUESTS = [
    "SendMessageRequest", "SendChatMessageRequest", "UpdateTemplateCardRequest", "UpdateTaskCardRequest",
    "RecallMessageRequest", "GetSendStatisticsRequest", "CreateChatRequest", "GetChatRequest",
    "UpdateChatRequest", "GetUserRequest", "ResolveUserIdRequest", "ConvertToOpenIdRequest",
    "ConvertToUserIdRequest", "ListUsersRequest", "ListUserIdsRequest", "ListDepartmentsRequest",
    "GetDepartmentRequest", "GetTagRequest", "LoginRequest", "GetUserDetailRequest", "SignJsSdkRequest",
    "GetAccessTokenRequest", "UploadMediaHeader", "UploadImageHeader", "DownloadMediaRequest",
    "CallApiRequest", "ListBulkJobsRequest", "ListBulkOutcomesRequest",
]
ANSWERS = {
    "message/send": 0, "user/get": 1, "auth/getuserdetail": 1, "user/list": 2, "user/simplelist": 2,
    "user/getuserid": 3, "user/get_userid_by_email": 3, "user/convert_to_userid": 3,
    "user/convert_to_openid": 4, "user/list_id": 5, "department/list": 6, "department/simplelist": 7,
    "department/get": 8, "tag/list": 9, "tag/get": 10, "appchat/get": 11, "appchat/create": 11,
    "auth/getuserinfo": 12, "media/upload": 13, "message/get_statistics": 14,
    "message/update_template_card": 15, "message/update_taskcard": 15,
}


def message(name, fields):
    kind = symbol_database.Default().GetSymbol(f"wecomgw.v1.{name}")
    return json_format.ParseDict(fields, kind()).SerializeToString(deterministic=True)


def write(target, name, data):
    folder = ROOT / "fuzz/corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def parts(text):
    """The JSON values of an example, one for each message."""
    decoder, values = json.JSONDecoder(), []
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:]
    return values


def upload(messages):
    encoded = [message("SendBulkRequest", part) for part in messages]
    return b"".join(struct.pack(">H", len(data)) + data for data in encoded)


def requests():
    for path in sorted((ROOT / "examples").glob("*.json")):
        values, name = parts(path.read_text()), path.stem
        rpc = "".join(word.capitalize() for word in name.split("_"))
        if rpc == "SendBulk":
            write("bulk_upload", name, upload(values))
        elif rpc.startswith("BuildLoginUrl"):
            write("login_page", name, message("BuildLoginUrlRequest", values[0]))
        elif rpc.startswith("Upload"):
            write("request", name, request(f"{rpc}Header", values[0]["header"]))
        elif f"{rpc}Request" in REQUESTS:
            write("request", name, request(f"{rpc}Request", values[0]))
        elif rpc.startswith("Send"):
            write("request", name, request("SendMessageRequest", values[0]))


def request(name, fields):
    return bytes([REQUESTS.index(name)]) + message(name, fields)


def answers():
    base = ROOT / "tests/fixtures/cgi-bin"
    for path in sorted(base.rglob("*.response.json")):
        call = str(path.relative_to(base)).split(".")[0]
        name = str(path.relative_to(base)).replace("/", "-").removesuffix(".response.json")
        write("answer", name, bytes([ANSWERS.get(call, 16)]) + path.read_bytes())


def by_hand():
    header = {"header": {"app": "youxiao", "content": {"text": {"content": "Noon"}}}}
    items = {"chunk": {"items": [{"userId": "zhangsan"}, {"userId": "ZhangSan"}]}}
    own = {"chunk": {"items": [{"userId": "lisi", "content": {"markdown": {"content": "x"}}}]}}
    write("bulk_upload", "folded", upload([header, items, own]))
    write("bulk_upload", "no_header", upload([items]))
    write("bulk_upload", "two_headers", upload([header, header]))
    write("bulk_upload", "nothing", upload([header]))
    write("bulk_upload", "bad_ids", upload([header, {"chunk": {"items": [{"userId": "a|b"}, {}]}}]))
    bare = {"header": {"app": "youxiao", "options": {"deadline": "3600s"}}}
    write("bulk_upload", "own_contents", upload([bare, own]))
    listed = "https://oa.example.com/login/callback"
    for name, uri, state in [
        ("listed", listed, "abc"), ("dot", listed.replace("example", "example."), ""),
        ("user", "https://oa.example.com@evil.example/", ""), ("slash", listed + "/", "a-b"),
        ("case", listed.upper(), ""), ("fragment", listed + "#x", ""), ("script", "javascript:alert(1)", "x" * 129),
    ]:
        fields = {"app": "youxiao", "redirectUri": uri, "state": state}
        write("login_page", name, message("BuildLoginUrlRequest", fields))
    qr = {"redirectUri": listed, "page": "LOGIN_PAGE_QR_CODE", "language": "LOGIN_LANGUAGE_ENGLISH"}
    write("login_page", "qr_code", message("BuildLoginUrlRequest", qr))
    app = '[[apps]]\nname = "a"\ncorp_id = "ww0123456789abcdef"\nagent_id = 1000002\nsecret = "${secret}"\n'
    caller = f'[[callers]]\nname = "b"\ntoken_sha256 = "{"7c" * 32}"\npermissions = ["MessageService/*"]\napps = ["a"]\n'
    for name, text in [
        ("app", app), ("caller", app + caller), ("open", '[grpc]\nlisten = "0.0.0.0:50051"\n' + app),
        ("twice", app + caller + caller), ("unknown_rpc", app + caller.replace("Message", "Massage")),
        ("login", '[login]\nredirect_uris = ["https://a.example/"]\nsession_lifetime = "12h"\n' + app),
        ("durations", '[grpc]\ndrain_grace = "99999999999999y"\n' + app),
        ("proxy", app + 'proxy = "http://u:p@proxy.example:3128"\n'), ("no_toml", "[[apps]\nname ="),
        ("paths", app + caller + 'api_paths = ["agent/get", "../x", "gettoken"]\n'),
        ("accounts", '[service_accounts]\nissuer = "https://k.example"\njwks_url = "https://k.example/keys"\n' + app),
    ]:
        write("config", name, text.encode())
    header64, claims64 = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ", "eyJpc3MiOiJodHRwczovL2t1YmVybmV0ZXMuZGVmYXVsdC5zdmMifQ"
    for name, text in [
        ("bearer", "Bearer wgw-0000"), ("twice", "Bearer Bearer x"), ("basic", "Basic dXNlcjpwYXNz"), ("empty", ""),
        ("jwt", f"{header64}.{claims64}.{'A' * 86}"), ("none", f"eyJhbGciOiJub25lIn0.{claims64}."),
        ("dots", "..."), ("no_header", f".{claims64}.{'A' * 86}"), ("spiffe", "spiffe://example.org/billing"),
        ("session", f"eyJ0eXAiOiJ3ZWNvbWd3In0.{claims64}.{'A' * 86}"), ("long", "a" * 9000),
    ]:
        write("credentials", name, text.encode())


requests()
answers()
by_hand()
