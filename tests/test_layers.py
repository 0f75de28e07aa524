"""The house: which module may import which, and what `import s3nb` brings along."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import s3nb

ROOT = Path(s3nb.__file__).parent

# From the ground up: a module imports from its own floor and from those below, never from above.
FLOORS = [
    ("text", "mime"),
    ("plain", "html", "progress"),
    ("meter",),
    ("styled",),
    ("errors", "presigned"),
    ("uri", "ranges", "checksum"),
    ("model", "config"),
    ("run", "farewell"),
    ("wire",),
    ("wire.xml", "wire.signing", "wire.redact"),
    ("wire.aws", "wire.poll", "wire.exchange", "wire.payer"),
    ("wire.forms",),
    ("wire.curl", "wire.boto"),
    ("testing",),
    ("transfer",),
    (
        "transfer.pace",
        "transfer.failures",
        "transfer.keyspace",
        "transfer.clock",
        "transfer.chores",
        "transfer.interrupt",
        "transfer.journal",
        "transfer.disk",
        "transfer.source",
    ),
    ("transfer.attempt", "transfer.local"),
    ("transfer.task", "transfer.uploads", "transfer.wanted", "transfer.placed", "transfer.pages"),
    ("transfer.fetch", "transfer.send"),
    ("transfer.audit",),
    ("transfer.head", "transfer.listing", "transfer.delete", "transfer.download", "transfer.upload"),
    ("transfer.copy",),
    ("live",),
    ("bars",),
    ("jobs",),
    ("core", "addressing"),
    ("preview.model",),
    ("preview.words", "preview.packed", "preview.archives", "preview.media", "preview.arrow"),
    ("preview.apart",),
    ("preview.columnar",),
    ("preview.decode", "preview.show"),
    ("preview.fetch", "preview"),
    ("listings",),
    ("many",),
    ("spread.order", "spread.board", "spread.signals"),
    ("spread.travel", "spread.parcel"),
    ("spread.worker",),
    ("spread.pools",),
    ("spread.gather",),
    ("spread",),
    ("sync",),
    ("client.base",),
    ("client.reading", "client.asking", "client.writing"),
    ("client.moving",),
    ("client",),
    ("metaflow",),
    ("session",),
    ("files.plan", "files.budget", "files.address", "files.hints", "files.kinds", "files.leaving", "files.stats"),
    ("files.upload", "files.proof", "files.get"),
    ("files.proving",),
    ("files.remote", "files.writer"),
    ("files.reader", "files.text", "files.compress"),
    ("files.spool",),
    ("files.asking",),
    ("files.opening",),
    ("files",),
    ("fs.where",),
    ("fs.ask", "fs.keeping"),
    ("fs.look", "fs.tree"),
    ("fs.change", "fs.globs"),
    ("fs.moving",),
    ("fs",),
    ("pathname",),
    ("path",),
    ("fsspec.secrets", "fsspec.files", "fsspec.kept", "fsspec.made"),
    ("fsspec.looking",),
    ("fsspec.moving",),
    ("fsspec",),
    ("browsing",),
    ("browsing.crew", "browsing.advice", "browsing.match", "browsing.look"),
    ("browsing.level",),
    ("browsing.tree", "browsing.source"),
    ("browsing.words",),
    ("browsing.session",),
    ("browsing.program", "browsing.tasks", "browsing.still"),
    ("",),  # the package itself: the public names
    ("sandbox",),
    ("commands.lines", "commands.hints"),
    ("commands.parser", "commands.results", "commands.settings"),
    ("commands.session",),
    ("commands.contents", "commands.options"),
    ("commands.looking", "commands.complete", "commands.near"),
    ("commands.shells",),
    ("commands.reading", "commands.writing", "commands.moving", "commands.deleting", "commands.here"),
    ("commands.table",),
    ("commands",),
    ("cli", "demo"),
    ("__main__",),
    ("notebook.widget",),
    ("notebook.browser",),
    ("notebook.complete", "notebook.background"),
    ("notebook.magic",),
    ("notebook",),
]
HEIGHT = {name: height for height, floor in enumerate(FLOORS) for name in floor}
# what the standard library does not have, and who may use it
OUTSIDE = {
    "cloudpickle": {"spread.travel"},
    "boto3": {"wire.aws", "sandbox"},
    "botocore": {"wire.aws", "wire.boto", "wire.curl"},
    "pycurl": {"wire.curl", "wire.exchange"},
    "tqdm": {"bars"},
    "fsspec": {"fsspec", "fsspec.files", "fsspec.looking", "fsspec.moving"},
    "moto": {"sandbox"},
    "werkzeug": {"sandbox"},
    "pyarrow": {"sandbox", "preview.arrow", "preview.apart"},
    "IPython": {"", "notebook.background", "notebook.complete", "notebook.magic", "notebook.widget"},
    "ipywidgets": {"notebook.background"},
    "traitlets": {"notebook.magic", "notebook.widget"},
    "anywidget": {"notebook.widget"},
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        yield ".".join(parts), path


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every module a file imports, wherever in the file; ``from s3nb.wire import xml`` names both."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            assert node.module is not None
            known = [f"{node.module}.{alias.name}" for alias in node.names]
            inner = [name for name in known if name.removeprefix("s3nb.") in HEIGHT and name.startswith("s3nb.")]
            yield from ((name, node.lineno) for name in inner)
            if len(inner) < len(known):
                yield node.module, node.lineno


@pytest.mark.parametrize(
    ("name", "path"), list(modules()), ids=lambda value: str(value) if isinstance(value, str) else ""
)
def test_arrows_point_downwards(name: str, path: Path) -> None:
    assert name in HEIGHT, f"{name} has no floor: give it one"
    standard = sys.stdlib_module_names | {"__future__"}
    for imported, line in imports(path):
        top = imported.partition(".")[0]
        if top == "s3nb":
            target = imported.removeprefix("s3nb").lstrip(".")
            lazy_door = name == "" and target in (
                "notebook",
                "sandbox",
                "files",
            )  # inside functions: when called, not when imported
            assert lazy_door or HEIGHT[target] <= HEIGHT[name], (
                f"{path}:{line}: {name or 's3nb'} imports {target}, which is above it"
            )
        elif top not in standard:
            assert name in OUTSIDE.get(top, ()), f"{path}:{line}: {name} is not one of those that import {top}"


def test_the_values_import_the_standard_library_only() -> None:
    values = "text errors plain html styled meter uri ranges checksum progress model config"
    for name in values.split():
        path = ROOT / f"{name}.py"
        assert {i.partition(".")[0] for i, _ in imports(path)} <= sys.stdlib_module_names | {"s3nb", "__future__"}


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_s3nb_loads_nothing_heavy() -> None:
    heavy = [
        "IPython",
        "ipywidgets",
        "anywidget",
        "traitlets",
        "boto3",
        "botocore",
        "pycurl",
        "tqdm",
        "moto",
        "pyarrow",
        "numpy",
    ]
    loaded = python(f"import sys, s3nb; print([m for m in {heavy!r} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_making_a_client_loads_no_notebook() -> None:
    code = "import sys, s3nb; s3nb.S3(anonymous=True).close(); print([m for m in ('IPython', 'ipywidgets') if m in sys.modules])"
    assert python(code).strip() == "[]"


def test_every_public_name_is_there_and_documented() -> None:
    for name in s3nb.__all__:
        assert getattr(s3nb, name).__doc__, name


def test_public_methods_are_documented() -> None:
    for name in dir(s3nb.S3):
        member = getattr(s3nb.S3, name)
        if not name.startswith("_") and callable(member):
            assert member.__doc__, name
