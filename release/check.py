"""What a release must pass: `make release-check`.

Builds sdist and wheel, looks into both, and installs the wheel into clean environments: oldest and newest supported
dependencies, every supported Python at hand. In each a user's first program runs (`smoke.py`); in the oldest a part of the
tests as well, in the newest mypy (strict) over a user's code, the licences, and the list of what is inside (SBOM).
"""

from __future__ import annotations

import argparse
import contextlib
import email.parser
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent
SUPPORTED = ("3.11", "3.12", "3.13")  # as in pyproject.toml; a test compares
UV = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
# Weak copyleft and permissive ones only: what a data scientist's employer asks.
REFUSED = ("GNU General Public", "GPLv", "AGPL", "SSPL", "Commons Clause", "Business Source", "Proprietary")
EXTRAS = "notebook,sandbox,preview,crt,fsspec,compression"
# what runs with the oldest dependencies: what touches them; all of it takes minutes, and runs with the newest ones
OLDEST_RUN = (
    "tests/test_values.py", "tests/test_wires.py", "tests/test_client.py", "-k",
    "not radosgw and (test_values or test_wires or large or files_are_put or folder or file_is_sent or lazy or metadata)",
)  # fmt: skip


class Failed(Exception):
    """A step did not pass; the message says which."""


def run(*words: str | Path, cwd: Path | None = None, **env: str) -> str:
    """Run a program and return what it printed; `Failed` with its output if it fails."""
    done = subprocess.run(
        [str(w) for w in words],
        cwd=cwd or ROOT,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"$ {' '.join(map(str, words))}\n{done.stdout}")
    return done.stdout


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)


# -- what is built ------------------------------------------------------------------------------------


def build(folder: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from the sdist."""
    installer = ["--installer", "uv"] if UV else []
    path = os.pathsep.join([str(Path(UV).parent), os.environ["PATH"]]) if UV else os.environ["PATH"]
    run(sys.executable, "-m", "build", *installer, "--outdir", folder, ROOT, PATH=path)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return wheel, sdist


def look_into(wheel: Path, sdist: Path) -> None:
    """Check that everything is in it that belongs there, and nothing else."""
    tracked = run("git", "ls-files", "s3nb").split() if (ROOT / ".git").exists() else []
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata_name,) = [n for n in names if n.endswith(".dist-info/METADATA")]
        metadata = email.parser.Parser().parsestr(archive.read(metadata_name).decode())
    missing = set(tracked) - set(names)
    if missing:
        raise Failed(f"not in the wheel: {sorted(missing)}")
    strange = [n for n in names if not n.startswith("s3nb/") and ".dist-info/" not in n and ".data/" not in n]
    if strange:
        raise Failed(f"in the wheel, and why? {strange}")
    if metadata["License-Expression"] != "Apache-2.0" or not metadata.get_all("License-File"):
        raise Failed("the wheel does not say its licence")
    with tarfile.open(sdist) as source:
        inside = {n.partition("/")[2] for n in source.getnames()}
    for needed in (
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "pyproject.toml",
        "Makefile",
        "package.json",
        "tests/conftest.py",
        "docs/conf.py",
    ):
        if needed not in inside:
            raise Failed(f"not in the sdist: {needed}")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)


# -- where it is installed -------------------------------------------------------------------------------


def pythons() -> dict[str, str]:
    """Return the supported Pythons of this machine: version -> program."""
    found = {}
    for version in SUPPORTED:
        places = [shutil.which(f"python{version}")]
        pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
        places += [str(p) for p in sorted(pyenv.glob(f"{version}.*/bin/python"))]
        for place in filter(None, places):
            with contextlib.suppress(Failed, OSError):
                said = run(place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
                if said == version:
                    found[version] = place
                    break
    return found


class Environment:
    """A clean virtual environment."""

    def __init__(self, folder: Path, python: str) -> None:
        if UV:
            run(UV, "venv", "-q", "--python", python, folder)
        else:
            run(python, "-m", "venv", folder)
        self.python = folder / "bin" / "python"

    def install(self, *what: str | Path, constraints: Path | None = None) -> None:
        limits = ["-c", str(constraints)] if constraints else []
        if UV:
            run(UV, "pip", "install", "-q", "--python", self.python, *limits, *what)
        else:
            run(self.python, "-m", "pip", "install", "-q", *limits, *what)

    def run(self, *words: str | Path, cwd: Path, **env: str) -> str:
        """Run Python in it, away from the sources."""
        return run(self.python, *words, cwd=cwd, **env)


def smoke(environment: Environment, folder: Path, *wanted: str) -> None:
    """Run a user's first program, warnings as errors but for those of old dependencies."""
    environment.run("-I", HERE / "smoke.py", *wanted, cwd=folder)


# -- what is said about it -----------------------------------------------------------------------------------


def licences(environment: Environment) -> str:
    """Return the table of the licences of everything installed; `Failed` if one would surprise a user."""
    tool = [sys.executable, "-m", "piplicenses", "--python", str(environment.python), "--from=mixed"]
    for entry in json.loads(run(*tool, "--format=json")):
        text = entry["License"]
        if any(word in text for word in REFUSED) and "LGPL" not in text and "Lesser" not in text:
            raise Failed(f"{entry['Name']}: {text}")
    return run(*tool, "--format=markdown", "--with-urls")


def sbom(environment: Environment, out: Path) -> None:
    """Write what is inside an environment, in CycloneDX's JSON."""
    run(
        Path(sys.executable).parent / "cyclonedx-py", "environment", environment.python,
        "--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--output-file", out,
    )  # fmt: skip
    found = json.loads(out.read_text("utf-8"))
    names = {c["name"] for c in found["components"]}
    if not {"boto3", "pycurl", "tqdm"} <= names:
        raise Failed(f"the SBOM does not name the dependencies: {sorted(names)}")


# -- where newcomers try it ------------------------------------------------------------------------------------


def binder(folder: Path, at_hand: dict[str, str]) -> None:
    """Do as Binder does: its requirements, then its postBuild, in a home that has nothing; then run the quickstart."""
    wanted = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    environment = Environment(folder / "binder", at_hand.get(wanted) or max(at_hand.values()))
    environment.install("-r", ROOT / "binder" / "requirements.txt", "nbclient", "pip")
    home, clone = folder / "home", folder / "clone"
    home.mkdir()
    ignored = shutil.ignore_patterns(".venv*", ".git", "_build", "__pycache__", ".*_cache", "dist", "node_modules")
    shutil.copytree(ROOT, clone, ignore=ignored)
    path = f"{environment.python.parent}{os.pathsep}{os.environ['PATH']}"
    run(clone / "binder" / "postBuild", cwd=home, HOME=str(home), PATH=path)
    settings = home / ".jupyter" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    json.loads((settings / "notification.jupyterlab-settings").read_text("utf-8"))
    code = (
        "import nbformat, sys; from nbclient import NotebookClient; "
        "NotebookClient(nbformat.read(sys.argv[1], 4), timeout=120).execute()"
    )
    quickstart = clone / "notebooks" / "01-quickstart.ipynb"
    environment.run("-c", code, quickstart, cwd=home, HOME=str(home), PATH=path)


# -- all of it -------------------------------------------------------------------------------------------------


def check(out: Path) -> None:
    at_hand = pythons()
    for version in SUPPORTED:
        if version not in at_hand:
            print(f"not tried: Python {version} is not on this machine")
    oldest, newest = min(at_hand), max(at_hand, key=lambda v: int(v.partition(".")[2]))
    with tempfile.TemporaryDirectory(prefix="s3nb-release-") as name:
        folder = Path(name)
        (folder / "empty").mkdir()
        away = folder / "empty"
        with step("build, and a look inside"):
            out.mkdir(parents=True, exist_ok=True)
            for old in [*out.glob("*.whl"), *out.glob("*.tar.gz")]:
                old.unlink()
            wheel, sdist = build(out)
            look_into(wheel, sdist)
        with step(f"Python {oldest}, oldest dependencies: smoke test, values, wires, some of the client"):
            old = Environment(folder / "oldest", at_hand[oldest])
            minimums = HERE / "minimums.txt"
            old.install(f"{wheel}[{EXTRAS}]", "pytest", "pytest-timeout", "hypothesis", constraints=minimums)
            smoke(old, away, "sandbox", "notebook")
            shutil.copytree(ROOT / "tests", away / "tests", ignore=shutil.ignore_patterns("__pycache__"))
            # old dependencies warn of what newer Pythons deprecate; the newest ones are held to `error` by `make test`
            old.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", *OLDEST_RUN, cwd=away)
        with step(f"Python {newest}, newest dependencies: smoke test, a user's types, licences, SBOM"):
            new = Environment(folder / "newest", at_hand[newest])
            new.install(f"{wheel}[{EXTRAS}]")
            smoke(new, away, "sandbox", "notebook")
            (out / "licences.md").write_text(licences(new), "utf-8")
            sbom(new, out / f"{wheel.name.split('-py3')[0]}.cdx.json")
            new.install("mypy")
            shutil.copy(HERE / "a_users_code.py", away)
            new.run("-m", "mypy", "--strict", "--cache-dir", folder / "mypy", "a_users_code.py", cwd=away)
        with step("binder: postBuild in a clean home, and the quickstart"):
            binder(folder, at_hand)
        for version in sorted(set(at_hand) - {oldest, newest}) or [newest]:
            with step(f"Python {version}, no extras: smoke test"):
                plain = Environment(folder / f"plain-{version}", at_hand[version])
                plain.install(wheel)
                smoke(plain, away)
    print(f"in {out}: {', '.join(sorted(p.name for p in out.iterdir()))}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Build s3nb, and check what was built as its users would.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for what is built (default: dist)")
    options = parser.parse_args()
    try:
        check(options.out)
    except Failed as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
