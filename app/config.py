"""Every setting, declared once as a field of `Settings`, and read from the environment before anything starts."""

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import parseaddr
from enum import StrEnum
from hashlib import sha256
from ipaddress import ip_address
from math import ceil
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent


class SettingError(Exception):
    """A setting is wrong. The message is one sentence that says which and what to do."""


class LogFormat(StrEnum):
    """How lines of the log look."""

    TEXT = "text"
    JSON = "json"


class DecisionLogging(StrEnum):
    """What the decision log promises."""

    REQUIRED = "required"
    """Every answer is logged. If the process is killed, at most the answers of 200 milliseconds are lost."""
    BEST_EFFORT = "best_effort"
    """Decisions that cannot be logged are answered all the same, and counted."""
    DURABLE = "durable"
    """Every answer is on disk first."""


def _hide_all(_value: str) -> str:
    return "***"


def _hide_passwords(url: str) -> str:
    # As far as the last @ and &, because people forget to escape them in passwords.
    url = re.sub(r"(?<=://)([^:@/?]*):.*@", r"\1:***@", url)
    return re.sub(r"(?i)([?&][^=&]*pass[^=&]*)=.*", r"\1=***", url)


@dataclass(frozen=True, slots=True)
class Kind:
    """What values a setting takes."""

    words: str
    """Completes the sentence "NAME must be ..."."""
    parse: Callable[[str], Any] = str
    """Makes the value from the text of the environment variable. Raises ValueError or KeyError for any other text."""
    mask: Callable[[str], str] = str
    """Hides what is secret in a value that is text."""


def _whole_number(least: int, most: int) -> Kind:
    def parse(text: str) -> int:
        # `int` alone would also take signs, spaces, underscores and the digits of other scripts.
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return Kind(f"a whole number from {least} to {most}", parse)


_FLAG = Kind("0 or 1", {"0": False, "1": True}.__getitem__)
_TEXT = Kind("text")
_FOLDER = Kind("a folder", lambda text: Path(text).absolute())


@dataclass(frozen=True)
class Settings:
    """What an installation can choose. Field names in upper case are the environment variables.

    Each field declares its kind, what it is for, and, where the default depends on other settings, the default in
    words. `SETTINGS` lists the declarations.
    """

    development: Annotated[bool, _FLAG, "Shows the outbox and the demo services, and allows http in PUBLIC_URL."] = (
        False
    )
    reachable_development: Annotated[
        bool,
        _FLAG,
        "Lets a development portal listen where other machines reach it, with everybody's mail and passwords.",
    ] = False
    host: Annotated[str, _TEXT, "The address to listen at."] = "127.0.0.1"
    port: Annotated[int, _whole_number(1, 65535), "The port to listen at."] = 8000
    metrics_host: Annotated[str, _TEXT, "The address at which Prometheus finds /metrics."] = "127.0.0.1"
    metrics_port: Annotated[int, _whole_number(0, 65535), "Its port. 0 offers no metrics."] = 0
    log_format: Annotated[
        LogFormat, Kind("text or json", LogFormat), "How lines of the log look: for people, or as JSON."
    ] = LogFormat.TEXT
    public_url: Annotated[
        str,
        Kind("`https://HOST`", mask=_hide_passwords),
        "The address that people type. Links in mails start with it.",
        "`http://HOST:PORT`, which only development allows",
    ] = "http://127.0.0.1:8000"
    data_dir: Annotated[
        Path,
        _FOLDER,
        "Holds the SQLite database, the decision log or what is on its way there, the secret key, and mails that become"
        " files. It has to outlive the processes. A pack uses a subfolder.",
    ] = ROOT / "var"
    database_url: Annotated[
        str,
        Kind("`sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`", mask=_hide_passwords),
        "The database.",
        "`tessera.db` in DATA_DIR",
    ] = ""
    secret_key: Annotated[
        str,
        Kind("text of at least 16 characters", mask=_hide_all),
        "Signs cookies and forms. Machines that share a database must share it.",
        "made once and kept in DATA_DIR",
    ] = ""
    smtp_url: Annotated[
        str,
        Kind("`smtp://USER:PASSWORD@HOST:PORT` or `smtps://...`", mask=_hide_passwords),
        "The mail server. `smtp` with a user requires STARTTLS. Without a server, mails become files in DATA_DIR.",
    ] = ""
    mail_from: Annotated[str, Kind("`NAME <ADDRESS>`"), "The sender of mails."] = "Tessera <no-reply@example.org>"
    portal_name: Annotated[str, _TEXT, "The name of the portal on pages and in mails."] = "Tessera"
    support_email: Annotated[str, _TEXT, "The e-mail address of the support desk."] = "support@example.org"
    support_telephone: Annotated[str, _TEXT, "The telephone number of the support desk."] = "01632 960 000"
    workers: Annotated[int, _whole_number(1, 64), "How many web processes answer requests."] = 2
    proxies: Annotated[
        int, _whole_number(0, 9), "How many proxies in front add `X-Forwarded-For`. 0 ignores the header."
    ] = 0
    policies_dir: Annotated[Path, _FOLDER, "The rules, and their decision tables."] = ROOT / "policies"
    pack_dir: Annotated[
        Path | None, _FOLDER, "A pack: more rules (`policies/*.polar`) and what they are about (`fixtures/*.toml`)."
    ] = None
    pack_data_dir: Annotated[
        Path | None,
        _FOLDER,
        "Holds the data of the pack, which never mixes with other data.",
        "a folder of its own in `packs/` in DATA_DIR, by the path of the pack",
    ] = None
    rate_limit: Annotated[
        int,
        _whole_number(0, 10_000_000),
        "How many evaluations a second each client may ask of each web process; twice as many after a pause. A search"
        " or an explanation counts as 100, so the smallest limit is 50. 0 sets no limit.",
    ] = 10_000
    record_bytes: Annotated[
        int,
        _whole_number(100, 65_536),
        "How many bytes the properties of a registered resource may take as JSON. In memory they take twenty times as"
        " many.",
    ] = 8_192
    records_limit: Annotated[int, _whole_number(1, 10_000_000), "How many resources of one type may be registered."] = (
        100_000
    )
    time_limit: Annotated[int, _whole_number(1, 60), "How many seconds a batch may take."] = 5
    batch_limit: Annotated[int, _whole_number(1, 10_000), "How many evaluations a batch may hold."] = 100
    cache_people: Annotated[
        int,
        _whole_number(100, 10_000_000),
        "How many people each web process keeps in memory. Each takes about 3 kB, with what they hold.",
    ] = 20_000
    decision_log: Annotated[
        DecisionLogging,
        Kind(f"one of {', '.join(DecisionLogging)}", DecisionLogging),
        "What happens to an answer whose decision cannot be logged: `required` refuses it; `best_effort` gives it, and"
        " counts it; `durable` refuses it, and also holds each answer back until its decision is on disk.",
    ] = DecisionLogging.REQUIRED
    decision_log_days: Annotated[
        int,
        _whole_number(1, 3650),
        "How many days decisions are kept. A smaller number takes effect slowly: of what is too old, two days are"
        " deleted in a day.",
    ] = 90
    decision_log_max_bytes: Annotated[
        int,
        _whole_number(0, 10**15),
        "How many bytes the decision log may take, packed; indexes come on top. Beyond it, its oldest decisions are"
        " deleted, however young they are; from four fifths on, `/health` and the log say so. 0 sets no limit.",
    ] = 0
    event_days: Annotated[int, _whole_number(30, 36_500), "How many days events, who did what to whom, are kept."] = (
        1_100
    )
    answer_without_database: Annotated[
        int,
        _whole_number(0, 300),
        "How many seconds questions about people and resources in memory are still answered while the database is away;"
        " each answer says how old its facts may be. Whoever lost a role meanwhile keeps it for so long.",
    ] = 0
    decision_log_facts: Annotated[bool, _FLAG, "Whether a decision is logged with the facts it was based on."] = True

    @property
    def policy_folders(self) -> tuple[Path, ...]:
        """The folders with the rules of the policy in force."""
        of_pack = () if self.pack_dir is None else (self.pack_dir / "policies",)
        return (self.policies_dir, *(folder for folder in of_pack if folder.is_dir()))

    @property
    def secure(self) -> bool:
        """Whether people reach the portal over https."""
        return self.public_url.startswith("https://")


@dataclass(frozen=True, slots=True)
class Setting:
    """The declaration of one setting."""

    field: str
    """The name of its field in `Settings`."""
    kind: Kind
    description: str
    default: str
    """The default in words."""

    @property
    def name(self) -> str:
        """The name of its environment variable."""
        return self.field.upper()

    def parse(self, text: str) -> Any:
        """Return the value that `text` stands for. Raises `SettingError` when it stands for none."""
        try:
            return self.kind.parse(text)
        except (KeyError, ValueError) as error:
            raise SettingError(f"{self.name} must be {self.kind.words}, not {text!r}.") from error

    def shown(self, settings: Settings) -> bool | int | str | None:
        """Return its value in `settings` without anything secret."""
        value = getattr(settings, self.field)
        return value if value is None or isinstance(value, int) else self.kind.mask(str(value))


def _in_words(default: Any) -> str:
    if isinstance(default, Path):
        return f"`{default.relative_to(ROOT)}`"
    if default in {"", None}:
        return "none"
    return f"`{int(default) if isinstance(default, bool) else default}`"


def _declarations() -> Iterator[Setting]:
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        kind, description, *default = hint.__metadata__
        yield Setting(name, kind, description, *default or [_in_words(getattr(Settings, name))])


SETTINGS = tuple(_declarations())
"""All settings, in the order of their fields."""

SECRETS = ("DATABASE_URL", "SECRET_KEY", "SMTP_URL")
"""Settings that may be read from a file that another environment variable names."""

BURST_SECONDS = 2
"""For how many seconds a client can save up the evaluations that it does not ask."""
CHANGE_COUNTS = 20
"""How many evaluations the registering or deleting of a resource counts as."""
LONG_COUNTS = 100
"""How many evaluations a search or an explanation counts as. It makes about as many, or takes about as long."""


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this process. An empty environment variable counts as none.

    Raises `SettingError` when a value cannot be used.
    """
    settings = settings_in(os.environ if environ is None else environ)
    check(settings)
    return settings


def settings_in(env: Mapping[str, str]) -> Settings:
    """Return the settings in `env`, before `check`. Raises `SettingError` for a value that cannot be parsed."""
    env = {**env, **_from_files(env)}
    chosen = Settings(**{one.field: one.parse(env[one.name]) for one in SETTINGS if env.get(one.name)})
    data_dir = chosen.data_dir
    if chosen.pack_dir is not None:
        # Two packs may have folders of one name. DATABASE_URL may still name the same database for both.
        place = sha256(os.fsencode(chosen.pack_dir)).hexdigest()[:8]
        data_dir = chosen.pack_data_dir or data_dir / "packs" / f"{chosen.pack_dir.name}-{place}"
    return replace(
        chosen,
        public_url=(env.get("PUBLIC_URL") or _local_url(chosen.host, chosen.port)).rstrip("/"),
        data_dir=data_dir,
        database_url=chosen.database_url or f"sqlite:///{data_dir / 'tessera.db'}",
        secret_key=chosen.secret_key or _kept_secret(data_dir),
    )


def _from_files(env: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that are in files, as systemd, Docker and Kubernetes hand them over: `SECRET_KEY_FILE`."""
    found = {}
    for name in SECRETS:
        path = env.get(f"{name}_FILE")
        if not path:
            continue
        if env.get(name):
            raise SettingError(f"{name} and {name}_FILE are both set: give one of them.")
        try:
            found[name] = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{name}_FILE names {path}, which cannot be read.") from error
    return found


def check(settings: Settings) -> None:
    """Raise `SettingError` for a value that cannot be used, alone or with the others."""
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
    _check_development(settings)
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


def _check_development(settings: Settings) -> None:
    if not settings.development and not settings.secure:
        raise SettingError("PUBLIC_URL must start with https:// outside development; DEVELOPMENT=1 allows http.")
    if settings.development and not settings.reachable_development and not _is_local(settings.host):
        raise SettingError(
            f"HOST {settings.host} lets other machines reach a development portal, whose passwords everybody knows and"
            " which shows everybody's mail. REACHABLE_DEVELOPMENT=1 says that this is meant."
        )


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


def _is_local(host: str) -> bool:
    """Return whether only this machine reaches what listens at `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
