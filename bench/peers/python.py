"""
The NHS Python client (mesh-client) with its defaults. The argument `no-retries` switches retries off: with them
the client reads every further chunk into memory before it sends it. Speaks the protocol of harness/serve.ts.
"""

import hashlib
import json
import os
import sys
import tempfile
import time
import warnings

from mesh_client import MeshClient

warnings.simplefilter("ignore")
PIECE = 1 << 20
client = None


def measured(work):
    cpu = time.process_time()
    began = time.perf_counter()
    result = work()
    return result | {"seconds": time.perf_counter() - began, "cpuSeconds": time.process_time() - cpu}


def connect(request):
    global client
    paths = {}
    for name in ("ca", "cert", "key"):
        with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
            file.write(request[name])
            paths[name] = file.name
    client = MeshClient(
        request["url"],
        "X26ABC1",
        "password",
        shared_key=b"TestKey",
        cert=(paths["cert"], paths["key"]),
        verify=paths["ca"],
        **({"max_retries": 0} if "no-retries" in sys.argv else {}),
    )
    # The files have been read: the adapter makes its TLS context when it is mounted.
    for path in paths.values():
        os.unlink(path)
    return {}


def send(request):
    def work():
        with open(request["file"], "rb") as data:
            client.send_message("X26ABC2", data, compress=request["compress"], workflow_id="BENCH")
        return {"bytes": os.path.getsize(request["file"]), "messages": 1}

    return measured(work)


def receive(request):
    # As it comes, the client only reads: whoever wants the SHA-256 and the bytes on the disk adds both, as we do here.
    is_plain = request.get("plain", False)

    def work():
        sha256 = hashlib.sha256()
        size = 0
        message = client.retrieve_message(request["messageId"])
        with open(request["file"] + ".part", "wb") as target:
            while piece := message.read(PIECE):
                if not is_plain:
                    sha256.update(piece)
                size += len(piece)
                target.write(piece)
            if not is_plain:
                target.flush()
                os.fsync(target.fileno())
        message.close()
        os.rename(request["file"] + ".part", request["file"])
        return {"bytes": size, "messages": 1, **({} if is_plain else {"sha256": sha256.hexdigest()})}

    return measured(work)


def small_send(request):
    with open(request["file"], "rb") as file:
        payload = file.read(request["bytes"])

    def work():
        for _ in range(request["count"]):
            client.send_message("X26ABC2", payload, workflow_id="BENCH")
        return {"bytes": len(payload) * request["count"], "messages": request["count"]}

    return measured(work)


def small_receive(_):
    def work():
        size = count = 0
        for message_id in list(client.iterate_message_ids()):
            message = client.retrieve_message(message_id)
            size += len(message.read())
            message.close()
            client.acknowledge_message(message_id)
            count += 1
        return {"bytes": size, "messages": count}

    return measured(work)


COMMANDS = {
    "connect": connect,
    "send": send,
    "receive": receive,
    "smallSend": small_send,
    "smallReceive": small_receive,
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        reply = {"ok": COMMANDS[request["command"]](request)}
    except Exception as error:  # the bench prints it
        reply = {"error": f"{type(error).__name__}: {error}"}
    # No space after the key: the parent recognises a reply by its first characters.
    print(json.dumps(reply, separators=(",", ":")), flush=True)
