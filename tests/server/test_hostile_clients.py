"""Clients that are slow, silent or without end, against the bare port: nobody else waits for them."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread

import pytest

from app.server import front
from tests.machine import Machine

pytestmark = [pytest.mark.slow, pytest.mark.one_database]

QUESTION = json.dumps(
    {
        "subject": {"type": "person", "id": "thomas-reed"},
        "action": {"name": "launch"},
        "resource": {"type": "service", "id": "submit-for-assessment"},
    }
).encode()
ASK = (
    b"POST /authorize HTTP/1.1\r\nHost: portal\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer demo-key-submit-for-assessment\r\n"
)
LENGTH = b"Content-Length: %d\r\n" % len(QUESTION)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
FORM = b"POST /sign-in HTTP/1.1\r\nHost: portal\r\nContent-Type: application/x-www-form-urlencoded\r\n"

SHAPES = {
    "silent": b"",
    "idle": b"GET /health HTTP/1.1\r\nHost: portal\r\n\r\n",
    "half a header": b"GET /sign-in HTTP/1.1\r\nHost: por",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "half a question without a key": b"POST /authorize HTTP/1.1\r\nHost: portal\r\nContent-Length: 100\r\n\r\n{",
    "half a form": FORM + b"Content-Length: 100\r\n\r\naddress=",
    "half a large form": FORM + b"Content-Length: 1000000\r\n\r\naddress=",
    "chunks that do not end": FORM + CHUNKED + b"\r\n8\r\naddress=\r\n",
}
CONNECTIONS = 700
"""More than twice as many as the threads of two processes."""


def say(machine: Machine, *parts: bytes) -> bytes:
    """Send something over a connection of its own, and return what comes back until it is closed."""
    with socket.create_connection(("127.0.0.1", machine.port), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
    return received


def status(answer: bytes) -> int:
    """Return the status of an answer, or 0 if there was none."""
    return int(answer[9:12] or 0)


@contextmanager
def held(machine: Machine, said: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Hold so many connections that have said something."""
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", machine.port), timeout=30))
            connection.sendall(said)
            connections.append(connection)
        yield connections


def test_nobody_waits_for_those_who_do_not_come_to_an_end(machine: Machine, database: None) -> None:
    machine.serve()
    for name, said in SHAPES.items():
        with held(machine, said, CONNECTIONS):
            # All web processes are to be met.
            assert [machine.allows("thomas-reed") for _ in range(20)] == [True] * 20, name


def test_silent_connections_make_room_when_there_are_too_many(machine: Machine, database: None) -> None:
    # With so few files allowed, each of two processes holds 144 connections.
    machine.serve(files=400)
    for said in (SHAPES["silent"], SHAPES["idle"], SHAPES["half a header"]):
        with held(machine, said, CONNECTIONS):
            assert [machine.allows("thomas-reed") for _ in range(20)] == [True] * 20


def test_a_body_that_takes_too_long_ends(machine: Machine, database: None) -> None:
    machine.serve()
    bodies = [SHAPES[name] for name in ("half a question without a key", "half a large form", "chunks that do not end")]
    with ExitStack() as stack:
        connections = [connection for said in bodies for connection in stack.enter_context(held(machine, said, 2))]
        begun, over = time.monotonic(), Event()
        for connection, drop in zip(connections[1::2], (b" ", b"x", b"1\r\nx\r\n"), strict=True):
            Thread(target=_drip, args=(connection, drop, over), daemon=True).start()
        answers = [_until_closed(connection) for connection in connections]
        took = time.monotonic() - begun
        over.set()
    assert [status(answer) for answer in answers] == [408] * 6
    assert took < front.BODY_SECONDS * 3


def _drip(connection: socket.socket, drop: bytes, over: Event) -> None:
    with suppress(OSError):
        while not over.wait(1):
            connection.sendall(drop)


def _until_closed(connection: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def test_bodies_are_read_whole_or_refused(machine: Machine, database: None) -> None:
    machine.serve()
    close = b"Connection: close\r\n"
    chunks = b"%x\r\n%s\r\n" % (len(QUESTION), QUESTION)
    assert b'"decision": true' in say(machine, ASK + close + LENGTH + b"\r\n", QUESTION[:50], QUESTION[50:])
    assert b'"decision": true' in say(machine, ASK + close + CHUNKED + b"\r\n", chunks + b"0\r\n\r\n")
    # Cut off where it is a whole question by chance.
    assert status(say(machine, ASK + CHUNKED + b"\r\n" + chunks + b"no chunk\r\n")) == 400
    many = b"1\r\n \r\n" * 10_000
    assert status(say(machine, ASK + CHUNKED + b"\r\n" + many)) == 413
    for beginning in (ASK, FORM):
        assert status(say(machine, beginning + close + b"Content-Length: 99999999999999999999\r\n\r\n")) in {400, 413}
        assert status(say(machine, beginning + close + b"Content-Length: 1048577\r\n\r\n")) == 413
    large = b"%x\r\n%s\r\n" % (60_000, b"x" * 60_000)
    assert status(say(machine, FORM + CHUNKED + b"\r\n" + large * 20)) == 413


def test_headers_mean_what_they_say(machine: Machine, database: None) -> None:
    portal, _said = machine.serve()
    ask = ASK + LENGTH + b"Connection: close\r\n"

    def returned_id(*headers: bytes) -> bytes | None:
        lines = say(machine, ask + b"".join(headers) + b"\r\n" + QUESTION).split(b"\r\n")
        return next((line[14:] for line in lines if line.lower().startswith(b"x-request-id: ")), None)

    # A name with an underscore is not the one with a hyphen, wherever it stands.
    of_proxy, of_client = b"X-Request-ID: proxy\r\n", b"X_Request_ID: client\r\n"
    assert returned_id(of_proxy, of_client) == returned_id(of_client, of_proxy) == b"proxy"
    assert returned_id(of_client) is None
    assert status(say(machine, ask + b"Tessera_At_Least: 9223372036854775807\r\n\r\n" + QUESTION)) == 200

    health = b"GET /health HTTP/1.%d\r\nConnection: close\r\n%s\r\n"
    assert status(say(machine, health % (1, b"Host: portal\r\n"))) == 200
    assert status(say(machine, health % (1, b""))) == 400
    assert status(say(machine, health % (1, b"Host: portal\r\nHost: portal\r\n"))) == 400
    assert status(say(machine, health % (0, b""))) == 200
    assert status(say(machine, health % (1, b"Host: portal\r\nX-Long: " + b"x" * 200_000 + b"\r\n"))) == 431
    assert say(machine, SHAPES["the preface of HTTP/2"]) == b""

    # A proxy that nobody has declared is ignored, and said once by each process.
    for _ in range(40):
        say(machine, health % (1, b"Host: portal\r\nX-Forwarded-For: 192.0.2.1\r\n"))
    portal.terminate()
    said = portal.communicate(timeout=30)[1].splitlines()
    assert 1 <= len([line for line in said if "PROXIES is 0" in line]) <= 2
