"""Logs a member in with what the redirect brought: login.py CODE STATE."""

import sys

import wecomgw
from wecomgw.v1.auth_service_pb2 import LoginRequest, LogoutRequest, VerifySessionRequest

with wecomgw.from_env() as client:
    code, state = sys.argv[1:]
    login = client.auth.Login(LoginRequest(app="youxiao", code=code, state=state))
    print("hello:", login.user.name)
    session = client.auth.VerifySession(VerifySessionRequest(session_token=login.session_token))
    print("session of:", session.user.user_id)
    client.auth.Logout(LogoutRequest(session_token=login.session_token))
    print("logged out")
