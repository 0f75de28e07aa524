"""Listings that are kept, for those who have asked for that (``use_listings_cache=True``), and what they say of a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Facts = dict[str, Any]
_NO_NAMES = ("", ".", "..")  # `ls` has none of them
_LARGEST = 100_000  # objects of a tree that is kept


class Listed(list[Facts]):
    """What is in one directory, by key: all of it."""

    def __init__(self, facts: Iterable[Facts]) -> None:
        super().__init__(facts)
        self._by_name: dict[str, list[Facts]] | None = None

    def look(self, name: str) -> tuple[Facts | None, bool] | None:
        """Return the facts of the file of a name, None if there is none, and whether a directory has it; None: neither is there."""
        if self._by_name is None:
            by_name: dict[str, list[Facts]] = {}
            for facts in self:
                by_name.setdefault(facts["name"], []).append(facts)
            self._by_name = by_name
        found = self._by_name.get(name)
        if found is None:
            return None
        files = [facts for facts in found if facts["type"] == "file"]
        return (files[0] if files else None), len(files) < len(found)


class Tree:
    """A flat listing, sorted into the directories that it is made of.

    Parameters
    ----------
    top : str
        The name of the directory that was listed.
    """

    def __init__(self, top: str) -> None:
        self._top = top
        self._found: dict[str, dict[str, Facts]] = {}
        self._count = 0

    def add(self, rest: str, facts: Facts) -> None:
        """Add an object, in the order of keys; ``rest`` is its key behind the top's. One that ends in a slash is a marker."""
        self._count += 1
        if self._count > _LARGEST:
            self._found.clear()
            return
        *folders, last = rest.split("/")
        parent = self._top
        for folder in folders:
            if folder in _NO_NAMES:
                return
            name = f"{parent}/{folder}"
            self._found.setdefault(parent, {}).setdefault(
                folder + "/", {"name": name, "size": 0, "type": "directory"}
            )  # fmt: skip
            parent = name
        listing = self._found.setdefault(parent, {})
        if last not in _NO_NAMES:
            listing[last] = facts

    def listings(self) -> Iterator[tuple[str, Listed]]:
        """Yield the names of directories, and what is in them."""
        for name, found in self._found.items():
            yield (
                name,
                Listed(
                    facts
                    for _, facts in sorted(found.items(), key=lambda pair: pair[0].encode("utf-8", "surrogatepass"))
                ),
            )
