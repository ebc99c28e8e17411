"""A small HTTP/1.1 client for load: one kept-open connection a rater, on asyncio, sparing with the processor.

The server under load shares its machine with this client, so what this saves the server gets.
"""

import asyncio
import re
import socket
from urllib.parse import urlencode

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_COOKIE = re.compile(rb"\r\nset-cookie: *([^=]+)=([^;\r]*)", re.IGNORECASE)


class Answer:
    def __init__(self, status: int, head: bytes, body: bytes) -> None:
        self.status, self.head, self.body = status, head, body

    def header(self, name: str) -> str:
        """The header's value; empty where there is none."""
        lines = (line.partition(":") for line in self.head.decode().split("\r\n"))
        return next((value.strip() for key, _, value in lines if key.lower() == name.lower()), "")


class Browser:
    """One rater's connection, with the cookies the site set."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        self._socket: socket.socket | None = None
        self._buffer = bytearray(1 << 20)

    async def get(self, path: str, *, keep_body: bool = True) -> Answer:
        return await self._ask(f"GET {path}", b"", keep_body=keep_body)

    async def post(self, path: str, fields: dict[str, object]) -> Answer:
        body = urlencode({"csrfmiddlewaretoken": self.cookies.get("csrftoken", ""), **fields}).encode()
        return await self._ask(f"POST {path}", body)

    async def _ask(self, line: str, body: bytes, *, keep_body: bool = True) -> Answer:
        """As a browser does, ask once more if the server had closed the connection meanwhile."""
        reused = self._socket is not None
        try:
            return await self._ask_once(line, body, keep_body=keep_body)
        except ConnectionError:
            self.close()
            if not reused:
                raise
            return await self._ask_once(line, body, keep_body=keep_body)

    async def _ask_once(self, line: str, body: bytes, *, keep_body: bool) -> Answer:
        loop = asyncio.get_running_loop()
        if self._socket is None:
            self._socket = socket.socket()
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(self._socket, ("127.0.0.1", self.port))
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        form = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = f"{line} HTTP/1.1\r\nHost: localhost:{self.port}\r\nCookie: {cookies}\r\n{form}\r\n"
        await loop.sock_sendall(self._socket, head.encode() + body)
        return await self._answer(loop, keep_body=keep_body)

    async def _answer(self, loop: asyncio.AbstractEventLoop, *, keep_body: bool) -> Answer:
        assert self._socket is not None
        view, filled = memoryview(self._buffer), 0
        while (end := self._buffer.find(b"\r\n\r\n", 0, filled)) < 0:
            filled += await self._receive(loop, view[filled:])
        head = bytes(view[:end])
        length = int(_LENGTH.search(head)[1])  # type: ignore[index]
        body, left = bytearray(view[end + 4 : filled]), length - (filled - end - 4)
        while left:
            got = await self._receive(loop, view[: min(left, len(view))])
            left -= got
            if keep_body:
                body += view[:got]
        for name, value in _COOKIE.findall(head):
            self.cookies[name.decode()] = value.decode()
        if b"connection: close" in head.lower():
            self.close()
        return Answer(int(head[9:12]), head, bytes(body))

    async def _receive(self, loop: asyncio.AbstractEventLoop, view: memoryview) -> int:
        assert self._socket is not None
        got = await loop.sock_recv_into(self._socket, view)
        if not got:
            raise ConnectionResetError("the server closed the connection")
        return got

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None
