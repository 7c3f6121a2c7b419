#!/usr/bin/python3 -IS
"""Stands in for JupyterLab in `./radlab bench storm --light`: answers everything, needs nothing.

It is the container's `radlab-start`; what keeper, Hub and proxy do for it is what they do for all.
"""

import asyncio

ANSWER = b"""HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r
Connection: close\r\n\r\n{"version": "0.1"}"""


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request, whatever it asks."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)
    await writer.drain()
    writer.close()


async def main() -> None:
    """Serve until the container is stopped."""
    server = await asyncio.start_server(answer, "0.0.0.0", 8888)
    await server.serve_forever()


asyncio.run(main())
