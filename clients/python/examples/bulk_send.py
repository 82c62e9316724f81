"""Sends a text to many members: bulk_send.py TEXT USER_ID..."""

import sys

import wecomgw
from wecomgw.v1.bulk_service_pb2 import BulkHeader, BulkItem

text, *users = sys.argv[1:]
with wecomgw.from_env() as client:
    header = BulkHeader(app="youxiao", content=wecomgw.text(text))
    for event in client.send_bulk(header, (BulkItem(user_id=user) for user in users)):
        match event.WhichOneof("event"):
            case "accepted":
                print("items:", event.accepted.item_count)
            case "batch_finished":
                print("sent so far:", event.batch_finished.totals.accepted)
            case "finished":
                totals = event.finished.totals
                print(f"finished: {totals.accepted} accepted, {totals.invalid} invalid")
