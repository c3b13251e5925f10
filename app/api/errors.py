"""What a caller is told instead of a decision."""

from collections.abc import Mapping
from types import MappingProxyType

_NONE: Mapping[str, str] = MappingProxyType({})

UNREAD: Mapping[str, str] = MappingProxyType({"Connection": "close"})
"""For an answer that is given before the body was read: the server ends the connection, and so the caller is told."""


class ApiError(Exception):
    """A request that gets no decision: `status` and `sentence` are the answer, `headers` go with it."""

    def __init__(self, status: int, sentence: str, *, headers: Mapping[str, str] = _NONE) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers
