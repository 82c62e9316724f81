"""Sends a text: send_text.py USER_ID TEXT. The gateway is named by WECOMGW_ADDRESS and
WECOMGW_TOKEN."""

import sys

import wecomgw
from wecomgw.v1.message_service_pb2 import SendMessageRequest

with wecomgw.from_env() as client:
    try:
        reply = client.messages.SendMessage(
            SendMessageRequest(
                app="youxiao",
                recipients=wecomgw.users(sys.argv[1]),
                content=wecomgw.text(sys.argv[2]),
            )
        )
    except wecomgw.GatewayError as error:
        print("error:", error.reason)
        sys.exit(1)
    print("message id:", reply.message_id)
