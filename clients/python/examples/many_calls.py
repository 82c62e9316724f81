"""Makes COUNT calls, one after the other: many_calls.py COUNT. bench.py measures it."""

import sys

import wecomgw
from wecomgw.v1.gateway_service_pb2 import GetServerInfoRequest

with wecomgw.from_env() as client:
    for _ in range(int(sys.argv[1])):
        client.gateway.GetServerInfo(GetServerInfoRequest())
