"""A child process of the full probe: one TCP connection's throughput and round trip, to itself or to a peer.

What is said on the wire: one byte 0 is answered by one byte; one byte 1 and a length of 8 bytes announce so many bytes,
which are thrown away and then answered by one byte.
"""

from __future__ import annotations

import socket
import statistics
import struct
import sys
import threading
import time
from typing import Final

from tradewind.lab.profiling.speed import limit, report

__all__ = ["main", "network_speeds", "serve"]

ROUND_TRIPS: Final = 300
BLOCK_BYTES: Final = 2**20
EACH_S: Final = 1.0
MOST_BYTES: Final = 2**32
"""Of one announcement."""
CONNECT_S: Final = 5.0


def main(arguments: list[str]) -> None:
    """Reports the speeds. Arguments: the limit in seconds; host and port of a peer, or none for this machine."""
    limit(float(arguments[0]))
    if len(arguments) == 3:
        rate, trip = network_speeds(arguments[1], int(arguments[2]))
        report(peer_bytes_per_s=rate, peer_round_trip_s=trip)
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        rate, trip = network_speeds("127.0.0.1", listener.getsockname()[1])
        report(loopback_bytes_per_s=rate, loopback_round_trip_s=trip)


def network_speeds(host: str, port: int, *, seconds: float = EACH_S) -> tuple[float, float]:
    """Bytes per second to a serving peer, and the median seconds of a round trip. Errors: OSError."""
    with socket.create_connection((host, port), timeout=CONNECT_S) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        trips: list[float] = []
        end = time.perf_counter() + seconds
        while len(trips) < ROUND_TRIPS and time.perf_counter() < end:
            begun = time.perf_counter()
            line.sendall(b"\0")
            _received(line, 1)
            trips.append(time.perf_counter() - begun)
        block, blocks = bytes(BLOCK_BYTES), 1
        best, end = 0.0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            begun = time.perf_counter()
            line.sendall(b"\1" + struct.pack(">Q", blocks * BLOCK_BYTES))
            for _ in range(blocks):
                line.sendall(block)
            _received(line, 1)
            taken = time.perf_counter() - begun
            best = max(best, blocks * BLOCK_BYTES / taken)
            # Long enough that starting does not count.
            if taken < seconds / 8.0:
                blocks = min(2 * blocks, MOST_BYTES // BLOCK_BYTES)
        return best, statistics.median(trips)


def serve(listener: socket.socket) -> None:
    """Answers `network_speeds` of any number of peers until the listener is closed."""
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(line,), daemon=True).start()


def _answer(line: socket.socket) -> None:
    buffer = bytearray(BLOCK_BYTES)
    with line:
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while asked := line.recv(1):
                if asked == b"\1":
                    left = struct.unpack(">Q", _received(line, 8))[0]
                    if left > MOST_BYTES:
                        return
                    while left:
                        count = line.recv_into(buffer, min(left, len(buffer)))
                        if not count:
                            return
                        left -= count
                line.sendall(b"\0")
        except OSError:
            return


def _received(line: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = line.recv(count - len(found))
        if not more:
            raise OSError("the peer has closed the connection: is it `tradewind probe --serve-peer`?")
        found += more
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
