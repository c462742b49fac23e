"""The line in which requests wait."""

from pathlib import Path

from scorer.store import Entry
from scorer.store.errors import is_unsafe_name
from scorer.submitter.pending import mark_handled, sender, take_turns, waiting
from tests.folders import FolderStores


def test_whose_request_it_is() -> None:
    paths = ("requests/a.json", "requests/acme/a.json", "requests/acme/2026/a.json")
    assert [sender(path) for path in paths] == ["", "acme", "acme"]


def test_senders_take_turns() -> None:
    uploaded = (("a/1", 1), ("a/2", 2), ("a/3", 3), ("b/1", 9))
    entries = [Entry(f"requests/{path}.json", 1, "", modified) for path, modified in uploaded]

    def turns(**at_work: int) -> list[str]:
        return [entry.path[9:12] for entry in take_turns(entries, at_work)]

    assert turns() == ["a/1", "b/1", "a/2", "a/3"]
    assert turns(a=1) == ["b/1", "a/1", "a/2", "a/3"]
    assert turns(a=1, b=3) == ["a/1", "a/2", "a/3", "b/1"]
    assert turns(b=2, c=9) == ["a/1", "a/2", "a/3", "b/1"]  # the third of the one, and the other's third: the older first


def test_whoever_has_an_answer_waits_no_more_unless_uploaded_anew(stores: FolderStores) -> None:
    assert waiting(stores, 7, {}) == []
    for name in ("a.json", "b.json", "notes.txt"):
        stores.input.put(f"requests/{name}", b"{}")
    first, second = waiting(stores, 7, {})
    assert [Path(each.path).name for each in (first, second)] == ["a.json", "b.json"]
    mark_handled(first, stores)
    assert waiting(stores, 7, {}) == [second]
    stores.input.put(first.path, b"{} ")
    assert [each.path for each in waiting(stores, 7, {})] == [second.path, first.path]


def test_names_that_are_no_paths() -> None:
    assert all(is_unsafe_name(path) for path in ("a//b.json", "/a", "a/../b", "a/./b", "a/b\x7f.json", "a/\n.json"))
    assert not any(is_unsafe_name(path) for path in ("a/b.json", "a/...json", "a/\u00fc %2e.json"))
