"""What pyproject.toml says, and what else must agree with it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import s3nb

ROOT = Path(__file__).parents[1]
FOR_DEVELOPERS = {"faults", "consumers", "dev", "docs", "lab", "release", "bench"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def requirements(texts: list[str]) -> list[Requirement]:
    return [r for r in map(Requirement, texts) if canonicalize_name(r.name) != "s3nb"]


def of_users(project: dict[str, Any]) -> list[Requirement]:
    extras = project["optional-dependencies"]
    texts = [t for name, extra in extras.items() if name not in FOR_DEVELOPERS for t in extra]
    return requirements([*project["dependencies"], *texts])


def pinned(path: Path) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", path.read_text("utf-8"), re.M)
    return {canonicalize_name(name): version for name, version in found}


def version_tuple(text: str) -> tuple[int, ...]:
    numbers = [int(n) for n in text.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def test_every_dependency_has_a_lower_bound_and_the_oldest_one_is_tried(project: dict[str, Any]) -> None:
    tried = pinned(ROOT / "release" / "minimums.txt")
    named = set()
    for requirement in of_users(project):
        (bound,) = [s for s in requirement.specifier if s.operator == ">="]
        name = canonicalize_name(requirement.name)
        named.add(name)
        assert name in tried, f"release/minimums.txt does not pin {name}"
        assert version_tuple(tried[name]) == version_tuple(bound.version), f"{name}: {tried[name]}, not {bound.version}"
    assert named == set(tried)


def test_the_lock_holds_what_is_asked_for(project: dict[str, Any]) -> None:
    """After a change of pyproject.toml: ``make lock``."""
    locked = pinned(ROOT / "release" / "lock.txt")
    for name in ("dev", "docs", "lab", "release"):
        for requirement in requirements([*project["dependencies"], *project["optional-dependencies"][name]]):
            if requirement.marker is not None and not requirement.marker.evaluate():
                continue
            version = locked.get(canonicalize_name(requirement.name))
            assert version is not None, f"release/lock.txt has no {requirement.name}: make lock"
            assert requirement.specifier.contains(version), f"{requirement}: the lock has {version}: make lock"


def test_the_lock_has_a_hash_for_everything_and_names_no_host() -> None:
    text = (ROOT / "release" / "lock.txt").read_text("utf-8")
    entries = re.findall(r"^[A-Za-z0-9].*?(?=^[A-Za-z0-9]|\Z)", text, re.M | re.S)
    assert len(entries) > 50
    assert [e for e in entries if "--hash=sha256:" not in e] == []
    assert re.findall(r"https?://|--(?:index|find|extra-index|trusted)", text) == []


def test_the_pythons_that_are_promised_are_those_that_are_tried(project: dict[str, Any]) -> None:
    text = (ROOT / "release" / "check.py").read_text("utf-8")
    tried = re.findall(r'"(3\.\d+)"', re.findall(r"^SUPPORTED = .*$", text, re.M)[0])
    promised = [c.rpartition(" ")[2] for c in project["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert tried == promised
    assert project["requires-python"] == f">={tried[0]}"


def test_the_changelog_knows_this_version() -> None:
    heads = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert heads[0] == s3nb.__version__
