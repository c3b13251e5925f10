"""Every setting, read once from the environment and checked before anything starts."""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parseaddr
from enum import StrEnum
from math import ceil
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent


class SettingError(Exception):
    """A setting is wrong. The message is one sentence that says which and what to do."""


class DecisionLogging(StrEnum):
    """What the decision log promises."""

    REQUIRED = "required"
    """Nothing is answered that the log does not take; a killed process loses at most its last 200 milliseconds."""
    BEST_EFFORT = "best_effort"
    """What the log cannot take is answered all the same, and counted."""
    DURABLE = "durable"
    """Nothing is answered before it is kept for good."""


@dataclass(frozen=True)
class Settings:
    """What an installation can choose. Field names in upper case are the environment variables."""

    development: bool = False
    """Shows the outbox page and the demo services; cookies work without https."""
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = "http://127.0.0.1:8000"
    """The address that people type; links in e-mails start with it."""
    data_dir: Path = ROOT / "var"
    database_url: str = ""
    """`sqlite:///path` or `postgresql://user:password@host/name`; a SQLite file in `data_dir` if empty."""
    secret_key: str = ""
    """Signs cookies and forms; made and kept in `data_dir` if empty. Machines that share a database share it."""
    smtp_url: str = ""
    """`smtp://user:password@host:port` (STARTTLS when a user is given) or `smtps://...`; files if empty."""
    mail_from: str = "Tessera <no-reply@example.org>"
    portal_name: str = "Tessera"
    support_email: str = "support@example.org"
    support_telephone: str = "01632 960 000"
    workers: int = 2
    """Web processes."""
    proxies: int = 0
    """How many proxies stand in front and add `X-Forwarded-For`; 0 trusts none."""
    policies_dir: Path = ROOT / "policies"
    pack_dir: Path | None = None
    """A folder with more rules (`policies/*.polar`) and what they are about (`fixtures/*.toml`)."""
    rate_limit: int = 10_000
    """How many questions a second one program may put to one web process, twice as many after a pause; 0 for as many
    as it likes. A search or an explanation counts as 100, and so the least is 50."""
    time_limit: int = 5
    """How many seconds a program's questions may take that it puts at once."""
    batch_limit: int = 100
    """How many questions a program may put at once."""
    cache_people: int = 20_000
    """How many people each web process keeps in memory; each takes about 3 kB with what they hold."""
    decision_log: DecisionLogging = DecisionLogging.REQUIRED
    """`required`, `best_effort` or `durable`: what becomes of answers that cannot be logged."""
    decision_log_days: int = 90
    """How long answered decisions are kept."""
    decision_log_facts: bool = True
    """Whether it is kept with a decision what was read to come to it."""

    @property
    def policy_folders(self) -> tuple[Path, ...]:
        """The folders with the rules of the policy in force."""
        of_pack = () if self.pack_dir is None else (self.pack_dir / "policies",)
        return (self.policies_dir, *(folder for folder in of_pack if folder.is_dir()))

    @property
    def secure(self) -> bool:
        """Whether people reach the portal over https."""
        return self.public_url.startswith("https://")


BURST_SECONDS = 2
"""For how long a program may save up what it did not ask."""
LONG_COUNTS = 100
"""As many questions as a search or an explanation is taken for: it asks at least as many, or takes as long."""


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this process.

    Raises `SettingError` when a value cannot be used.
    """
    env = os.environ if environ is None else environ
    data_dir = Path(env.get("DATA_DIR") or ROOT / "var").absolute()
    pack_dir = Path(env["PACK_DIR"]).absolute() if env.get("PACK_DIR") else None
    if pack_dir is not None:
        # What a pack is about never mixes with anything else, unless DATABASE_URL says that it shall.
        data_dir = data_dir / "packs" / pack_dir.name
    host = env.get("HOST") or "127.0.0.1"
    port = _whole_number(env, "PORT", 8000, 1, 65535)
    settings = Settings(
        development=_yes_or_no(env, "DEVELOPMENT"),
        host=host,
        port=port,
        public_url=(env.get("PUBLIC_URL") or _local_url(host, port)).rstrip("/"),
        data_dir=data_dir,
        database_url=env.get("DATABASE_URL") or f"sqlite:///{data_dir / 'tessera.db'}",
        secret_key=env.get("SECRET_KEY") or _kept_secret(data_dir),
        smtp_url=env.get("SMTP_URL", ""),
        mail_from=env.get("MAIL_FROM") or Settings.mail_from,
        portal_name=env.get("PORTAL_NAME") or Settings.portal_name,
        support_email=env.get("SUPPORT_EMAIL") or Settings.support_email,
        support_telephone=env.get("SUPPORT_TELEPHONE") or Settings.support_telephone,
        workers=_whole_number(env, "WORKERS", 2, 1, 64),
        proxies=_whole_number(env, "PROXIES", 0, 0, 9),
        policies_dir=Path(env.get("POLICIES_DIR") or ROOT / "policies").absolute(),
        pack_dir=pack_dir,
        rate_limit=_whole_number(env, "RATE_LIMIT", 10_000, 0, 10_000_000),
        time_limit=_whole_number(env, "TIME_LIMIT", 5, 1, 60),
        batch_limit=_whole_number(env, "BATCH_LIMIT", 100, 1, 10_000),
        cache_people=_whole_number(env, "CACHE_PEOPLE", 20_000, 100, 10_000_000),
        decision_log=_decision_logging(env),
        decision_log_days=_whole_number(env, "DECISION_LOG_DAYS", 90, 1, 3650),
        decision_log_facts=_yes_or_no(env, "DECISION_LOG_FACTS", default="1"),
    )
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    if len(settings.secret_key) < 16:
        raise SettingError("SECRET_KEY is too short: give at least 16 characters, or leave it out.")
    for name, address in (
        ("DATABASE_URL", settings.database_url),
        ("PUBLIC_URL", settings.public_url),
        ("SMTP_URL", settings.smtp_url),
    ):
        _check_port(name, address)
    scheme = urlsplit(settings.database_url).scheme
    if scheme not in {"sqlite", "postgresql", "postgres"}:
        raise SettingError(f"DATABASE_URL must start with sqlite:/// or postgresql://, not {scheme or 'nothing'}://.")
    public = urlsplit(settings.public_url)
    if public.scheme not in {"http", "https"} or not public.hostname or public.path or public.query:
        raise SettingError("PUBLIC_URL must look like https://portal.example.org, with nothing after the host.")
    if not settings.development and not settings.secure:
        raise SettingError("PUBLIC_URL must start with https:// outside development; DEVELOPMENT=1 allows http.")
    if settings.smtp_url and (
        urlsplit(settings.smtp_url).scheme not in {"smtp", "smtps"} or not urlsplit(settings.smtp_url).hostname
    ):
        raise SettingError("SMTP_URL must look like smtp://user:password@host:587 or smtps://user:password@host:465.")
    sender = parseaddr(settings.mail_from)[1]
    if "@" not in sender or not settings.mail_from.isprintable():
        raise SettingError("MAIL_FROM must look like Tessera <no-reply@example.org>.")
    if not settings.policies_dir.is_dir():
        raise SettingError(f"POLICIES_DIR names {settings.policies_dir}, which is not a folder.")
    _check_rate_limit(settings)
    pack = settings.pack_dir
    if pack is not None and not any((pack / part).is_dir() for part in ("policies", "fixtures")):
        raise SettingError(f"PACK_DIR names {pack}, which is not a folder with policies/ or fixtures/.")


def _check_rate_limit(settings: Settings) -> None:
    largest = max(LONG_COUNTS, settings.batch_limit)
    if 0 < settings.rate_limit * BURST_SECONDS < largest:
        raise SettingError(
            f"RATE_LIMIT is too small: a search counts as {LONG_COUNTS} questions and a batch may have"
            f" {settings.batch_limit}. Give at least {ceil(largest / BURST_SECONDS)}, or 0 for no limit."
        )


def _check_port(name: str, address: str) -> None:
    try:
        _port = urlsplit(address).port
    except ValueError as error:
        raise SettingError(f"{name} is not an address: look at its host and port.") from error


def _whole_number(env: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise SettingError(f"{name} must be a whole number from {least} to {most}, not {text!r}.")
    return int(text)


def _yes_or_no(env: Mapping[str, str], name: str, default: str = "0") -> bool:
    text = env.get(name) or default
    if text not in {"0", "1"}:
        raise SettingError(f"{name} must be 0 or 1, not {text!r}.")
    return text == "1"


def _decision_logging(env: Mapping[str, str]) -> DecisionLogging:
    text = env.get("DECISION_LOG") or DecisionLogging.REQUIRED
    if text not in set(DecisionLogging):
        raise SettingError(f"DECISION_LOG must be one of {', '.join(DecisionLogging)}, not {text!r}.")
    return DecisionLogging(text)


def _local_url(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in {"", "0.0.0.0", "::"} else host  # noqa: S104  (compared, not bound)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _kept_secret(data_dir: Path) -> str:
    path = data_dir / "secret-key"
    draft = data_dir / f"secret-key.{secrets.token_hex(8)}"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123  (no other user may read it)
                file.write(secrets.token_hex(32))
            # A link appears whole or not at all: of several starting processes one wins and all read its key.
            with suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise SettingError(f"DATA_DIR {data_dir} cannot be used: {error.strerror}.") from error
