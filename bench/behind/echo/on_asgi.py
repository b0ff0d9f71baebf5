"""The application for uvicorn; RECORDS in the environment names the file."""

import os

from record import answer


async def application(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    body, more = b"", True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        body, more = body + event.get("body", b""), event.get("more_body", False)
    query = scope["query_string"].decode("latin-1")
    target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    told = answer(os.environ["RECORDS"], scope["method"], target, body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(told))]})
    await send({"type": "http.response.body", "body": told if scope["method"] != "HEAD" else b""})
