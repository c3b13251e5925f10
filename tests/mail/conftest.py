"""A mail server that does what a test tells it, on a port of this machine."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from app.config import Settings
from tests.running import change_settings


@dataclass
class MailServer:
    """What the server answers, what it was given, and where it stops to wait."""

    answers: dict[str, str] = field(default_factory=dict)
    """Answers by command (`RCPT`, `STARTTLS`, `TEXT` after the text), where not the usual one; empty for silence."""
    extensions: tuple[str, ...] = ()
    commands: list[str] = field(default_factory=list)
    accepted: list[EmailMessage] = field(default_factory=list)
    pause_at: str = ""
    """Before it answers this command, the server says so with `reached` and waits for `go_on`."""
    reached: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go_on: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def answer(self, command: str, usual: str) -> str:
        if command == self.pause_at:
            self.reached.release()
            self.go_on.wait(60)
        return self.answers.get(command, usual)


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        # The worker at the other end may have been killed.
        with suppress(OSError):
            self.converse(self.server.mail_server)

    def converse(self, server: MailServer) -> None:
        self.say("220 ready")
        while line := self.rfile.readline().decode().strip():
            command = line.split(maxsplit=1)[0].upper()
            server.commands.append(line)
            match command:
                case "EHLO":
                    self.say("\r\n".join(["250-mail", *(f"250-{name}" for name in server.extensions), "250 HELP"]))
                case "DATA":
                    self.say("354 go on")
                    text = b"".join(line.removeprefix(b".") for line in iter(self.rfile.readline, b".\r\n"))
                    answer = server.answer("TEXT", "250 taken")
                    if answer.startswith("250"):
                        message = message_from_bytes(text, policy=policy.default)
                        assert isinstance(message, EmailMessage)
                        server.accepted.append(message)
                    self.say(answer)
                case "QUIT":
                    self.say(server.answer(command, "221 goodbye"))
                    return
                case _:
                    self.say(server.answer(command, "250 fine"))

    def say(self, answer: str) -> None:
        if answer:
            self.wfile.write(f"{answer}\r\n".encode())


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    mail_server: MailServer


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    with _Listener(("127.0.0.1", 0), _Conversation) as listener:
        listener.mail_server = server
        server.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.go_on.set()
        listener.shutdown()
        thread.join()


@pytest.fixture
def by_smtp(settings: Settings, database: None, mail_server: MailServer) -> MailServer:
    """A database whose mail goes to the mail server."""
    change_settings(smtp_url=mail_server.url)
    return mail_server
