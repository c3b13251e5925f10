"""Registered resources take a bounded room, however large each is, and whoever registers them."""

import tracemalloc

import pytest

from app.authz import facts
from app.authz.information import record_cache
from app.authz.information.record_cache import RecordCache

NOTE = facts.declared_kind("Note")


def test_the_oldest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_cache, "_BYTES_LIMIT", 3_000)
    cache = RecordCache()
    for name in "abcd":
        cache.put("note", name, NOTE(name), 800)
    assert [name for name in "abcd" if cache.get("note", name)] == ["b", "c", "d"]
    # What is loaded anew counts once.
    for _ in range(9):
        cache.put("note", "d", NOTE("d"), 800)
    assert [name for name in "abcd" if cache.get("note", name)] == ["b", "c", "d"]
    cache.pop("note", "b")
    cache.pop("note", "b")
    cache.put("note", "a", NOTE("a"), 800)
    assert [name for name in "abcd" if cache.get("note", name)] == ["a", "c", "d"]
    cache.clear()
    assert not any(cache.get("note", name) for name in "abcd")


def test_who_registers_much_makes_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_cache, "_BYTES_LIMIT", 10_000)
    cache = RecordCache()
    cache.put("draft", "a", facts.declared_kind("Draft")("a"), 800)
    for number in range(1_000):
        cache.put("note", str(number), NOTE(str(number)), number)
        cache.put("note", f"none-{number}", None, 0)
    assert cache.get("draft", "a")
    assert cache.get("note", "none-999") == (None, 200)
    assert cache.get("note", "none-0") is None


@pytest.mark.slow
def test_what_grows_in_python_stays_within_its_room() -> None:
    """Empty lists take twenty times as much in Python as in JSON."""
    cache = RecordCache()
    tracemalloc.start()
    # More than it has room for.
    for number in range(260):
        properties = facts.Properties({"x": [[] for _ in range(2_700)]})
        properties.get("x")
        cache.put("note", str(number), NOTE(str(number), properties), 8_192)
    taken, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 80_000_000
