"""What is counted about this process, for Prometheus.

Under `tessera serve` each process writes its numbers to a file of its own, and `tessera metrics` adds them up, those of
processes that have ended included. Labels come from the portal's own words, never from what somebody sent.
"""

from prometheus_client import Counter, Gauge, Histogram

from app.vocabulary import DIRECTORY_KINDS, Reason

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable with the folder of those files. Has to be set before this module is imported."""

_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)

decisions = Counter("tessera_decisions_total", "Decisions that were answered.", ("decision", "reason", "kind"))
request_seconds = Histogram("tessera_request_seconds", "How long answering took.", ("door", "status"), buckets=_SECONDS)
batch_size = Histogram("tessera_batch_size", "Evaluations in one batch.", buckets=_SIZES)
decision_path = Counter(
    "tessera_decision_path_total", "Decisions that were not replayed: asked of Polar, or recorded.", ("path",)
)
people_cache = Counter("tessera_people_cache_total", "People in the cache: loaded, or evicted.", ("result",))
people = Gauge("tessera_people", "People in the cache.", multiprocess_mode="livesum")
revision = Gauge("tessera_revision", "The newest change that answers include.", multiprocess_mode="livemax")
revision_age = Gauge(
    "tessera_revision_age_seconds", "How long ago it was looked for changes.", multiprocess_mode="livemax"
)
log_pending = Gauge("tessera_decision_log_pending", "Decisions not yet on disk.", multiprocess_mode="livesum")
log_oldest = Gauge(
    "tessera_decision_log_oldest_unkept_seconds", "The age of the oldest of them.", multiprocess_mode="livemax"
)
log_dropped = Counter("tessera_decision_log_dropped_total", "Decisions that could not be logged.")
database_seconds = Histogram("tessera_database_seconds", "How long a change took.", buckets=_SECONDS)
database_connections = Gauge("tessera_database_connections", "Open connections.", multiprocess_mode="livesum")
database_errors = Counter("tessera_database_errors_total", "How often the database could not be used.")
sign_ins = Counter("tessera_sign_ins_total", "Tries to sign in.", ("outcome",))
throttled = Counter("tessera_throttled_total", "What was refused because there were too many tries.", ("what",))
rate_limited = Counter("tessera_rate_limited_total", "Requests over a rate limit.", ("client",))
mails = Counter("tessera_mails_total", "Mails, by how they ended.", ("outcome",))
policy_info = Gauge("tessera_policy_info", "The policy in force.", ("digest", "pack"), multiprocess_mode="livemax")


class _Decided(dict[tuple[str, str], Counter]):
    """What counts decisions with a reason about a type of resource: one of `vocabulary.DIRECTORY_KINDS`, or `other`."""

    def __missing__(self, labels: tuple[str, str]) -> Counter:
        reason, kind = labels
        self[labels] = decisions.labels("allow" if reason == Reason.ALLOWED else "deny", reason, kind)
        return self[labels]


class _Requested(dict[tuple[str, int], Histogram]):
    """What observes how long requests took that came by a door and were answered with an HTTP status."""

    def __missing__(self, labels: tuple[str, int]) -> Histogram:
        door, status = labels
        self[labels] = request_seconds.labels(door, f"{status // 100}xx")
        return self[labels]


# Found by their labels once: to find them again takes longer than to count.
decided = _Decided()
requested = _Requested()


def count_decisions(reason: Reason, kind: str, number: int = 1) -> None:
    """Count decisions about a resource of one type; packs have any number of types, which count as one."""
    decided[reason, kind if kind in DIRECTORY_KINDS else "other"].inc(number)
