"""Drives NHS England's own mesh_client for the tests: one JSON object a line in, one a line out.

The first line has the connection. Each further line is {"command": ..., ...}; the line out is {"ok": ...} or
{"error": {...}}. Ends with its standard input.
"""

import hashlib
import json
import sys
import warnings

import requests
from mesh_client import MeshClient, MeshError

warnings.simplefilter("ignore")  # count_messages is deprecated and says so


def handshake(client, _):
    client.handshake()


def ping(client, _):
    return client.ping()


def count(client, _):
    return client.count_messages()


def list_ids(client, request):
    return client.list_messages(max_results=request.get("maxResults"), workflow_filter=request.get("workflowFilter"))


def iterate(client, request):
    ids = client.iterate_message_ids(
        batch_size=request.get("maxResults"), workflow_filter=request.get("workflowFilter")
    )
    return list(ids)


def send(client, request):
    with open(request["file"], "rb") as data:
        return client.send_message(
            request["to"],
            data,
            compress=request.get("compress", False),
            max_chunk_size=request.get("maxChunkBytes"),
            **request.get("fields", {}),
        )


def receive(client, request):
    """Writes the payload to a file in pieces, because it may be too large for memory."""
    message = client.retrieve_message(request["messageId"])
    sha256 = hashlib.sha256()
    size = 0
    with open(request["file"], "wb") as target:
        while piece := message.read(1 << 20):
            sha256.update(piece)
            size += len(piece)
            target.write(piece)
    message.close()
    return {"sha256": sha256.hexdigest(), "bytes": size, "headers": dict(message.mex_headers())} | {
        name: getattr(message, name)
        for name in (
            "sender recipient message_id message_type workflow_id filename local_id "
            "subject partner_id checksum content_type encrypted compressed"
        ).split()
    }


def acknowledge_in_with(client, _):
    """Does as NHS England's README shows: iterates and reads; leaving the with block acknowledges."""
    seen = []
    for message in client.iterate_all_messages():
        with message:
            seen.append(hashlib.sha256(message.read()).hexdigest())
    return seen


def acknowledge(client, request):
    client.acknowledge_message(request["messageId"])


def track(client, request):
    return client.track_message(request["messageId"])


def lookup(client, request):
    return client.lookup_endpoint(request["odsCode"], request["workflowId"])


COMMANDS = {
    "handshake": handshake,
    "ping": ping,
    "count": count,
    "list": list_ids,
    "iterate": iterate,
    "send": send,
    "receive": receive,
    "acknowledgeInWith": acknowledge_in_with,
    "acknowledge": acknowledge,
    "track": track,
    "lookup": lookup,
}


def run(client, request):
    try:
        return {"ok": COMMANDS[request["command"]](client, request)}
    except requests.HTTPError as error:
        return {"error": {"type": "HTTPError", "status": error.response.status_code, "message": str(error)}}
    except MeshError as error:
        return {"error": {"type": "MeshError", "message": str(error.args[0]), "response": error.args[-1]}}
    except Exception as error:  # the test sees any other error as it is
        return {"error": {"type": type(error).__name__, "message": str(error)}}


def main():
    connection = json.loads(sys.stdin.readline())
    with MeshClient(
        connection["url"],
        connection["mailboxId"],
        connection["password"],
        shared_key=connection["sharedKey"].encode(),
        cert=(connection["cert"], connection["key"]),
        verify=connection["ca"],
        max_retries=0,
    ) as client:
        for line in sys.stdin:
            print(json.dumps(run(client, json.loads(line))), flush=True)


main()
