"""From a connection to the WSGI application: each request is read whole, within bounds, before a thread answers it.

Granian hands over a request when its headers are there, and says when more of its body is. All of that happens in one
thread of each process, which waits for nobody: a client that is slow, or never ends, keeps no thread.
"""

import json
import logging
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any

from app.server.leader_followers import LeaderFollowers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LARGEST_BODY = 1024 * 1024
"""In bytes. A larger one is not read; the application refuses it in its own words, because it sees how large it is."""
BODY_SECONDS = 10
"""How long a body may take, from the headers on."""
_LARGE_BODY = 64 * 1024
"""In bytes. Small ones are bounded by the number of connections."""
_UNFINISHED_BYTES = 64 * 1024 * 1024
"""How many bytes the large bodies that are being read may have together. The oldest makes room for others."""
_MOST_CHUNKS = 4096
"""In how many pieces a body of unknown length may come: each takes about as long as a usual answer."""
_KNOWN_NAMES = 256
"""How many names of headers are kept in the form that WSGI has for them."""

_log = logging.getLogger(__name__)

Environ = dict[str, Any]


class Refusal(Exception):  # noqa: N818  (an answer rather than an error)
    """A request is answered here, and never reaches the application."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Reading:
    """A request whose body is being read. It may have `size` bytes."""

    def __init__(self, protocol: Any, size: int) -> None:
        self.protocol = protocol
        self.size = size
        self.since = time.monotonic()
        self.coroutine: Coroutine[Any, None, None] | None = None
        self.awaited: Any = None
        """The part of the body that is to come next."""

    def release(self) -> None:
        """Let go of the body, and so of the connection: a thread that follows may hold the reading for long."""
        coroutine, self.coroutine, self.protocol = self.coroutine, None, None
        # Another thread may just be ending it.
        with suppress(ValueError):
            if coroutine is not None:
                coroutine.close()


class Front:
    """Has `application` answer, in `threads`, what granian hands over.

    `address` is where the server listens. `own_path` is answered here and now: it shows that this process answers.
    Unless there are `proxies` in front, one that nobody declared is noticed.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        threads: LeaderFollowers,
        *,
        address: tuple[str, int],
        own_path: str,
        proxies: int,
    ) -> None:
        self._application = application
        self._threads = threads
        self._own_path = own_path
        self._expects_no_proxy = proxies == 0
        self._environ: Environ = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": address[0],
            "SERVER_PORT": str(address[1]),
            "wsgi.errors": sys.stderr,
            "wsgi.input_terminated": True,
            "wsgi.multiprocess": True,
            "wsgi.multithread": True,
            "wsgi.run_once": False,
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
        }
        self._names = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
        self._is_leaving = False
        self._lock = Lock()
        self._readings: dict[_Reading, None] = {}
        """The oldest first."""
        self._large: dict[_Reading, None] = {}
        """Those of them whose bodies may be large."""
        self._unfinished_bytes = 0

    def receive(self, request: Any) -> bool:
        """Take a request from granian, and return whether granian may keep it for long after it has been answered.

        Raises nothing, because granian would not notice.
        """
        protocol = request.proto
        environ: Environ = {}
        try:
            scope = request.scope
            if scope.path == self._own_path:
                protocol.response_empty(204, [])
                return True
            environ = self._environ_of(scope)
            size = _size(environ)
            if 0 < size <= LARGEST_BODY:
                self._start_reading(environ, protocol, size)
            else:
                if size:
                    _drop_body(protocol)
                self._submit(environ, protocol, b"")
        except Refusal as refusal:
            _drop_body(protocol)
            _refuse(protocol, refusal)
        except Exception:  # noqa: BLE001  (granian would not answer, and keep the connection)
            _log.exception("a request could not be read")
            _refuse(protocol, Refusal(500, "Something went wrong here. Ask again."))
        # With the request it would keep a body of unknown length, and with that the connection.
        return "HTTP_TRANSFER_ENCODING" not in environ

    def leave(self) -> None:
        """Say with every answer from now on that it is the last one of its connection."""
        self._is_leaving = True

    def end_slow_bodies(self) -> None:
        """End the requests whose bodies have taken too long. To be called every now and then."""
        while True:
            with self._lock:
                reading = next(iter(self._readings), None)
            if reading is None or time.monotonic() - reading.since < BODY_SECONDS:
                return
            self._give_up(reading)

    def _environ_of(self, scope: Any) -> Environ:
        """Return the WSGI environment of a request, without its body. Raises `Refusal`."""
        path, query, names = scope.path, scope.query_string, self._names
        environ: Environ = {
            **self._environ,
            "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
            "REQUEST_METHOD": scope.method,
            # In WSGI a text stands for bytes.
            "PATH_INFO": path if path.isascii() else path.encode().decode("latin-1"),
            "QUERY_STRING": query if query.isascii() else query.encode().decode("latin-1"),
            "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        }
        for name, value in scope.headers.items():
            key = names.get(name) or self._key(name)
            if not key:
                continue
            if key not in environ:
                environ[key] = value
            elif key == "HTTP_HOST":
                raise Refusal(400, "The request has two Host headers.")
            else:
                environ[key] += (";" if key == "HTTP_COOKIE" else ",") + value
        if "HTTP_HOST" not in environ and scope.http_version != "1":
            raise Refusal(400, "The request has no Host header.")
        if self._expects_no_proxy and "HTTP_X_FORWARDED_FOR" in environ:
            self._expects_no_proxy = False
            _log.warning(
                "Requests come with X-Forwarded-For, but PROXIES is 0, so the header is ignored. If there is a proxy in"
                " front, everybody seems to have its address: set PROXIES to the number of proxies."
            )
        return environ

    def _key(self, name: str) -> str:
        """Return what WSGI calls a header, or nothing for one with an underscore.

        WSGI could not tell that from one with a hyphen, and so not from what a proxy has written.
        """
        if "_" in name:
            return ""
        key = f"HTTP_{name.upper().replace('-', '_')}"
        if len(self._names) < _KNOWN_NAMES:
            self._names[name] = key
        return key

    def _submit(self, environ: Environ, protocol: Any, body: bytes) -> None:
        environ["wsgi.input"] = BytesIO(body)
        if not self._threads.run(partial(self._answer, environ, protocol)):
            _refuse(protocol, Refusal(503, "Too many requests wait to be answered. Ask again in a moment."))

    def _answer(self, environ: Environ, protocol: Any) -> None:
        status, headers = "", []

        def start_response(given: str, given_headers: list[tuple[str, str]], _error: object = None) -> Any:
            nonlocal status, headers
            status, headers = given, given_headers

        try:
            chunks = self._application(environ, start_response)
            try:
                body = b"".join(chunks)
            finally:
                if hasattr(chunks, "close"):
                    chunks.close()
            if self._is_leaving:
                headers = [*headers, ("Connection", "close")]
            protocol.response_bytes(int(status[:3]), headers, body)
        except Exception:  # noqa: BLE001  (the thread goes on with the next one)
            _log.exception("a request could not be answered")
            _refuse(protocol, Refusal(500, "Something went wrong here. Ask again."))

    # Reading goes on whenever granian has more, so it is a coroutine. `_go_on` is all that it needs of an event loop.

    def _start_reading(self, environ: Environ, protocol: Any, size: int) -> None:
        reading = _Reading(protocol, size)
        reading.coroutine = self._read(environ, protocol)
        with self._lock:
            self._readings[reading] = None
            if size > _LARGE_BODY:
                self._large[reading] = None
                self._unfinished_bytes += size
        while self._unfinished_bytes > _UNFINISHED_BYTES:
            self._give_up(next(iter(self._large), reading))
        self._go_on(reading)

    async def _read(self, environ: Environ, protocol: Any) -> None:
        try:
            if "HTTP_TRANSFER_ENCODING" in environ:
                body = await _chunked_body(protocol)
                del environ["HTTP_TRANSFER_ENCODING"]
                environ["CONTENT_LENGTH"] = str(len(body))
                # What is too large is refused by its length alone.
                body = body if len(body) <= LARGEST_BODY else b""
            else:
                body = await protocol()
        except Refusal as refusal:
            _refuse(protocol, refusal)
        except Exception:  # noqa: BLE001  (the client has gone, or what it sends is no HTTP)
            _refuse(protocol, Refusal(400, "The body is not whole."))
        else:
            self._submit(environ, protocol, body)

    def _go_on(self, reading: _Reading, _awaited: Any = None) -> bool:
        reading.awaited = None
        coroutine = reading.coroutine
        if coroutine is None or reading not in self._readings:
            reading.release()
            return True
        try:
            awaited = coroutine.send(None)
            while awaited.done():
                awaited = coroutine.send(None)
        except StopIteration:
            self._end(reading)
            reading.release()
            return True
        reading.awaited = awaited
        awaited.add_done_callback(partial(self._go_on, reading))
        # It may have been given up meanwhile, in another thread.
        if reading not in self._readings:
            awaited.cancel()
        return True

    def _end(self, reading: _Reading) -> bool:
        """Note that a body is not read any more, and return whether it was until now."""
        with self._lock:
            if reading not in self._readings:
                return False
            del self._readings[reading]
            if reading in self._large:
                del self._large[reading]
                self._unfinished_bytes -= reading.size
            return True

    def _give_up(self, reading: _Reading) -> None:
        protocol = reading.protocol
        if not self._end(reading):
            return
        _refuse(protocol, Refusal(408, "The body took too long to come."))
        awaited = reading.awaited
        if awaited is not None:
            awaited.cancel()


def _size(environ: Environ) -> int:
    """Return how many bytes the body of a request may have."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return LARGEST_BODY
    # Granian has seen to it that it is a number.
    return int(environ.get("CONTENT_LENGTH", "0"))


async def _chunked_body(protocol: Any) -> bytes:
    """Return a body of unknown length, or a bit more than its allowed beginning. Raises `Refusal`."""
    chunks: list[bytes] = []
    size = 0
    following = aiter(protocol).__anext__
    while size <= LARGEST_BODY:
        chunk = await following()
        if not chunk:
            try:
                after_end = following()
            except StopAsyncIteration:
                return b"".join(chunks)
            # After an error there would be still something to wait for.
            after_end.cancel()
            raise Refusal(400, "The body is not whole.")
        if len(chunks) == _MOST_CHUNKS:
            raise Refusal(413, "The body comes in too many pieces: send it with a Content-Length.")
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _drop_body(protocol: Any) -> None:
    """Have granian not read the body of a request any further."""
    protocol().cancel()


def _refuse(protocol: Any, refusal: Refusal) -> None:
    headers = [("Content-Type", "application/json"), ("Connection", "close")]
    if refusal.status == 503:
        headers.append(("Retry-After", "1"))
    protocol.response_bytes(refusal.status, headers, json.dumps({"message": str(refusal)}).encode())
