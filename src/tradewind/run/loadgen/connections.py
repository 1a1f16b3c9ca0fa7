"""Client connections, as cheap as Python allows: raw sockets, and no more of HTTP than counting needs.

The client must take much less CPU time than the server, or it measures itself. Answers must have a
Content-Length, as those of inference servers do.
"""

from __future__ import annotations

import errno
import resource
import select
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tradewind.domain.errors import ResourceError

if TYPE_CHECKING:
    import socket

    from tradewind.run.loadgen.target import Target

__all__ = ["BROKEN", "Connection", "Pool", "Waiting"]

RECEIVE_BYTES: Final = 2**13
"""At first; answers are small, and a large buffer costs more than it holds."""
RECEIVE_MORE_BYTES: Final = 2**20
MAX_HEAD_BYTES: Final = 2**16
KNOWN_HEADS: Final = 4096
"""Heads of answers whose meaning is remembered; they differ only in a few digits."""
SPARE_DESCRIPTORS: Final = 64

BROKEN: Final = -1
"""In place of a status: the connection ended without a whole answer."""


class Waiting:
    """In place of a status: the answer is not whole yet."""


class Connection:
    """One connection with at most one request under way."""

    __slots__ = (
        "answer",
        "descriptor",
        "due_s",
        "head_bytes",
        "keeps",
        "missing",
        "number",
        "parts",
        "socket",
        "status",
        "unsent",
    )

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.descriptor = connected.fileno()
        self.parts: list[bytes] = []
        """Of an answer that is not whole yet."""
        self.missing = 0
        """Bytes that it lacks, once its head has been read."""
        self.unsent = b""
        self.number = 0
        """Which request is under way."""
        self.due_s = 0.0
        self.keeps = True
        """Whether the server keeps the connection open after the last answer."""
        self.status = 0
        self.answer = b""
        self.head_bytes = 0

    @property
    def body(self) -> bytes:
        """Of the last answer."""
        return self.answer[self.head_bytes :]


class Pool:
    """Connections to one target, and the epoll object that hears from them."""

    def __init__(self, target: Target, count: int) -> None:
        """Connects. Errors: ResourceError."""
        _allow_descriptors(count + SPARE_DESCRIPTORS)
        self._target = target
        self._heads: dict[bytes, tuple[int, int, bool]] = {}
        self.epoll = select.epoll()
        self.by_descriptor: dict[int, Connection] = {}
        try:
            for _ in range(count):
                self.open()
        except BaseException:
            self.close()
            raise

    def open(self) -> Connection:
        """A further connection. Errors: ResourceError."""
        connection = Connection(self._target.connect())
        self.by_descriptor[connection.descriptor] = connection
        self.epoll.register(connection.descriptor, select.EPOLLIN)
        return connection

    def drop(self, connection: Connection) -> None:
        """Closes one connection."""
        if self.by_descriptor.pop(connection.descriptor, None) is not None:
            self.epoll.unregister(connection.descriptor)
            connection.socket.close()

    def close(self) -> None:
        """Closes all connections."""
        for connection in list(self.by_descriptor.values()):
            self.drop(connection)
        self.epoll.close()

    def send(self, connection: Connection, request: bytes) -> bool:
        """Sends, as much as fits now; the rest when `receive` is called. False if the connection is broken."""
        try:
            sent = connection.socket.send(request)
        except BlockingIOError:
            sent = 0
        except OSError:
            return False
        if sent != len(request):
            connection.unsent = request[sent:]
            self.epoll.modify(connection.descriptor, select.EPOLLIN | select.EPOLLOUT)
        return True

    def receive(self, connection: Connection) -> int | type[Waiting]:
        """The status of the answer if it is whole now; else Waiting or BROKEN."""
        if connection.unsent:
            rest, connection.unsent = connection.unsent, b""
            self.epoll.modify(connection.descriptor, select.EPOLLIN)
            if not self.send(connection, rest):
                return BROKEN
        try:
            data = connection.socket.recv(RECEIVE_MORE_BYTES if connection.missing else RECEIVE_BYTES)
        except BlockingIOError:
            return Waiting
        except OSError:
            return BROKEN
        if not data:
            return BROKEN
        if connection.missing:
            return self._receive_more(connection, data)
        if connection.parts:
            data = b"".join((*connection.parts, data))
            connection.parts.clear()
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            connection.parts.append(data)
            return Waiting if len(data) < MAX_HEAD_BYTES else BROKEN
        head = data[:end]
        known = self._heads.get(head)
        if known is None:
            known = _read_head(head)
            if len(self._heads) < KNOWN_HEADS:
                self._heads[head] = known
        status, length, connection.keeps = known
        connection.head_bytes = end
        if len(data) == end + length:
            connection.answer = data
            return status
        connection.missing = end + length - len(data)
        connection.status = status
        connection.parts.append(data)
        return Waiting if connection.missing > 0 else BROKEN

    def _receive_more(self, connection: Connection, data: bytes) -> int | type[Waiting]:
        connection.parts.append(data)
        connection.missing -= len(data)
        if connection.missing:
            return Waiting if connection.missing > 0 else BROKEN
        connection.answer = b"".join(connection.parts)
        connection.parts.clear()
        return connection.status


def _read_head(head: bytes) -> tuple[int, int, bool]:
    """Status, length of the body, and whether the connection stays open; BROKEN for what is no such head."""
    lines = head.split(b"\r\n")
    words = lines[0].split(b" ", 2)
    length, keeps = None, words[0] == b"HTTP/1.1"
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip()
        if name == b"content-length" and value.isdigit():
            length = int(value)
        elif name == b"connection":
            keeps = value.lower() != b"close"
    if len(words) < 2 or not words[1].isdigit() or length is None:
        return BROKEN, 0, False
    return int(words[1]), length, keeps


def _allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count and (hard == resource.RLIM_INFINITY or hard >= count):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
            return
    if soft < count:
        raise ResourceError(
            f"{count} open files are needed, the limit is {soft} ({errno.errorcode[errno.EMFILE]}); "
            "use fewer connections or raise the limit (ulimit -n)"
        )
