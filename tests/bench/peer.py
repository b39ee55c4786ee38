"""The peer over HTTP: a bare aiohttp application with a router, over a dict or over diskcache.

`python peer.py PORT [FOLDER]`: with a folder, diskcache keeps the values there, with its defaults:
they survive the end of the process, as those of the sidecar do. It imports nothing of this
repository, so that any interpreter with aiohttp and uvloop runs it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop
from aiohttp import web


class Application:
    """Answers from a mapping. Calls of diskcache wait for its file inside the event loop: in a
    thread each would cost more.
    """

    def __init__(self, entries: Any) -> None:
        self._entries = entries

    async def get(self, request: web.Request) -> web.Response:
        value = self._entries.get(_key(request))
        return web.Response(status=404) if value is None else web.Response(body=value)

    async def put(self, request: web.Request) -> web.Response:
        self._entries[_key(request)] = await request.read()
        return web.Response(status=204)


def _key(request: web.Request) -> str:
    return f"{request.match_info['namespace']}/{request.match_info['key']}"


async def serve(port: int, folder: str | None) -> None:
    entries: Any = {}
    if folder is not None:
        import diskcache  # noqa: PLC0415  (not in every interpreter)

        entries = diskcache.Cache(folder)
    application = Application(entries)
    app = web.Application(client_max_size=16 << 20)
    app.router.add_get("/v1/cache/{namespace}/{key:.+}", application.get)
    app.router.add_put("/v1/cache/{namespace}/{key:.+}", application.put)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), next(iter(sys.argv[2:]), None)))
