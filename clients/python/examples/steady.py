"""Makes 50 calls a second that may be repeated, sends and reads in turn, and counts those that
failed: steady.py NAME FIRST_MEMBER COUNT. drain.py stops gateways meanwhile."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import wecomgw
from wecomgw.v1.message_service_pb2 import SendMessageRequest
from wecomgw.v1.user_service_pb2 import GetUserRequest

name, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def call(number: int) -> bool:
    user, text = f"user{first + number:07}", f"{name}-{number}"
    try:
        if number % 2 == 0:
            client.messages.SendMessage(
                SendMessageRequest(
                    app="youxiao",
                    recipients=wecomgw.users(user),
                    content=wecomgw.text(text),
                    request_id=text,
                )
            )
        else:
            client.users.GetUser(GetUserRequest(app="youxiao", user_id=user))
    except wecomgw.GatewayError as error:
        print(error, file=sys.stderr)
        return False
    return True


with wecomgw.from_env() as client, ThreadPoolExecutor(100) as pool:
    calls, start = [], time.monotonic()
    for number in range(count):
        time.sleep(max(0, start + number / 50 - time.monotonic()))
        calls.append(pool.submit(call, number))
    failed = sum(not each.result() for each in calls)
print(f"calls={count} failed={failed}")
