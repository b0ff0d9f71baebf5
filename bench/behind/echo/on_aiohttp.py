"""`on_aiohttp.py PORT RECORDS`: aiohttp's server, below its router, so that every target comes through."""

import asyncio
import sys

from aiohttp import web
from record import answer


async def main(port, records):
    async def handle(request):
        # Left to the router, which is not there.
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await request.read()
        return web.Response(body=answer(records, request.method, request.raw_path, body))

    runner = web.ServerRunner(web.Server(handle, keepalive_timeout=60))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
