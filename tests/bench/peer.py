"""The peer of the HTTP benchmark: a bare aiohttp application with a router over a dict."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

ENTRIES: dict[tuple[str, str], bytes] = {}


async def get(request: web.Request) -> web.Response:
    value = ENTRIES.get((request.match_info["namespace"], request.match_info["key"]))
    return web.Response(status=404) if value is None else web.Response(body=value)


async def put(request: web.Request) -> web.Response:
    key = request.match_info["namespace"], request.match_info["key"]
    ENTRIES[key] = await request.read()
    return web.Response(status=204)


async def serve(port: int) -> None:
    app = web.Application(client_max_size=16 << 20)
    app.router.add_get("/v1/cache/{namespace}/{key:.+}", get)
    app.router.add_put("/v1/cache/{namespace}/{key:.+}", put)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
