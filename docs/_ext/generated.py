"""Pages that the code writes itself: the verbs from their parsers, settings from their classes, errors from the tree,
the picture of the modules from the imports. Each is written into ``docs/generated`` before Sphinx reads the sources."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import Any

import s3nb
from s3nb import commands, errors
from s3nb.config import TransferConfig

PACKAGE = Path(s3nb.__file__).parent
DOCS = Path(__file__).parents[1]


# -- verbs ------------------------------------------------------------------------------------------


def verbs() -> str:
    """Return every verb with the help of its own parser."""
    lines = []
    for name, verb in commands.VERBS.items():
        text = _help(name, "%s3" if verb.where == "notebook" else "s3nb")
        lines += [f"(verb-{name})=", f"### {name}", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(lines)


def _help(verb: str, program: str) -> str:
    try:
        commands.parse(["help", verb] if verb != "help" else ["help"], program)
    except commands.HelpAsked as asked:
        return str(asked)
    raise AssertionError(f"{verb} -h gave no help")


def verb_table() -> str:
    """Return the list of verbs, in a line each."""
    return f"```text\n{commands.usage('%s3')}\n```\n"


def verb_list() -> str:
    """Return the verbs as a definition list, for the page of the manual."""
    lines = []
    for verb, what in re.findall(r"^  (\S+)  +(\S.*)$", commands.usage("s3nb"), re.M):
        lines += [f"{verb.replace('_', chr(92) + '_')}", f": {what[0].upper()}{what[1:]}.", ""]
    return "\n".join(lines)


def common_options() -> str:
    """Return the options that every verb has, as its own help says them."""
    found = _help("ls", "s3nb").partition("where and how:\n")[2].partition("\n\n")[0]
    lines = []
    for option, what in re.findall(r"^  (-\S.*?)  +(\S.*)$", found, re.M):
        lines += ["**" + option.replace("--", "\\--") + "**", f": {what[0].upper()}{what[1:]}.", ""]
    return "\n".join(lines)


# -- settings -----------------------------------------------------------------------------------------


def settings() -> str:
    """Return the fields of `TransferConfig`: default and meaning."""
    from numpydoc.docscrape import ClassDoc  # here: the tests use the rest of this module without it

    told = {}
    for entry in ClassDoc(TransferConfig)["Attributes"]:
        for name in entry.name.split(","):
            told[name.strip()] = " ".join(entry.desc)
    rows = ["| field | default | meaning |", "| --- | --- | --- |"]
    for field in fields(TransferConfig):
        rows.append(f"| `{field.name}` | {_number(field.default)} | {_cell(told[field.name])} |")
    return "\n".join(rows) + "\n"


def _number(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1024 and value % 1024 == 0:
        for unit, size in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
            if value % size == 0:
                return f"{value // size} {unit}"
    return f"`{value}`"


def _cell(text: str) -> str:
    return re.sub(r"``", "`", text).replace("|", "\\|")


def magic_settings() -> str:
    """Return what ``%config S3Magics`` can set."""
    from s3nb.notebook import magic

    kinds = [k for k in vars(magic).values() if inspect.isclass(k) and k.__module__ == magic.__name__]
    rows = ["| `%config` | default | meaning |", "| --- | --- | --- |"]
    for kind in kinds:
        own = kind.class_own_traits(config=True) if hasattr(kind, "class_own_traits") else {}
        for name, trait in sorted(own.items()):
            rows.append(f"| `{kind.__name__}.{name}` | `{trait.default()!r}` | {_cell(trait.help)} |")
    return "\n".join(rows) + "\n" if len(rows) > 2 else ""


# -- errors ---------------------------------------------------------------------------------------------


def error_tree() -> str:
    """Return the tree that stands on top of `s3nb.errors`."""
    tree = (errors.__doc__ or "").partition("::\n\n")[2]
    return "```text\n" + inspect.cleandoc(tree).rstrip() + "\n```\n"


def error_table() -> str:
    """Return every class: what else it is, which of S3's codes and statuses lead to it, what it says."""
    codes: dict[type, list[str]] = {}
    for code, kind in errors._BY_CODE.items():
        codes.setdefault(kind, []).append(code)
    for status, kind in errors._BY_STATUS.items():
        codes.setdefault(kind, []).append(str(status))
    kinds = [
        k for k in vars(errors).values()
        if inspect.isclass(k) and issubclass(k, errors.S3Error) and k.__module__ == errors.__name__
    ]  # fmt: skip
    rows = ["| error | is also | S3's codes and statuses | meaning |", "| --- | --- | --- | --- |"]
    for kind in kinds:
        also = [
            b for b in kind.__mro__[1:] if b.__module__ == "builtins" and b not in (object, BaseException, Exception)
        ]
        also = [b for b in also if not any(b in o.__mro__[1:] for o in also)]
        assert all(hasattr(builtins, b.__name__) for b in also)
        parents = [f"`{b.__name__}`" for b in kind.__bases__ if issubclass(b, errors.S3Error)]
        names = ", ".join(parents + [f"`{b.__name__}`" for b in also])
        said = ", ".join(codes.get(kind, []))
        rows.append(f"| `{kind.__name__}` | {names} | {said} | {_cell(_summary(kind))} |")
    return "\n".join(rows) + "\n"


def _summary(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


# -- API --------------------------------------------------------------------------------------------------

# name -> heading under which it stands; the rest goes by what it is
_GROUPS = ("The client", "Files and directories", "In a notebook", "Values", "For tests and demos", "Errors")


def _group(name: str) -> str:
    thing = getattr(s3nb, name)
    module = getattr(thing, "__module__", "") or ""
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        return "Errors"
    if module.startswith(("s3nb.sandbox", "s3nb.testing")):
        return "For tests and demos"
    if module.startswith(("s3nb.files", "s3nb.fs", "s3nb.path", "s3nb.session")):
        return "Files and directories"
    if module.startswith(("s3nb.notebook", "s3nb.preview", "s3nb.jobs", "s3nb.progress", "s3nb.commands")):
        return "In a notebook"
    if name in ("S3", "TransferConfig", "S3GetObject", "S3PutObject"):
        return "The client"
    return "Values"


def public_names() -> list[str]:
    """Return all public names, those that load when asked for included."""
    return sorted({*s3nb.__all__, *s3nb._LAZY}, key=lambda name: (name.lower(), name))


def api() -> str:
    """Return the public names by group, each with a page made of its docstring."""
    groups: dict[str, list[str]] = {group: [] for group in _GROUPS}
    for name in public_names():
        groups[_group(name)].append(name)
    lines = []
    for group, names in groups.items():
        if names:
            lines += [
                f"## {group}",
                "",
                "```{eval-rst}",
                ".. autosummary::",
                "   :toctree: api",
                "   :nosignatures:",
                "",
            ]
            lines += [f"   s3nb.{name}" for name in names]
            lines += ["```", ""]
    return "\n".join(lines)


# -- the modules ----------------------------------------------------------------------------------------------

_FLOORS = ("notebook", "programs", "library", "transfer", "wire", "values")
_PROGRAMS = ("cli", "demo", "commands", "sandbox", "__main__")


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        yield ".".join(parts), path


def _imports(path: Path, known: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "s3nb":
            base = (node.module or "").removeprefix("s3nb").lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                yield inner if inner in known else base
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("s3nb."):
                    yield alias.name.removeprefix("s3nb.")


def floors() -> tuple[dict[str, list[str]], Counter[tuple[str, str]]]:
    """Return the modules by floor, and how many imports go from floor to floor."""
    paths = dict(_modules())
    edges = {name: set(_imports(path, set(paths))) - {name, ""} for name, path in paths.items()}
    values: set[str] = set()
    while True:  # a value imports values only, and nothing that is not of the standard library: wire/, transfer/ apart
        more = {
            n for n in paths
            if n not in values and n.split(".")[0] not in ("", "wire", "transfer", "notebook", "testing", *_PROGRAMS)
            and edges[n] <= values and _plain(paths[n])
        }  # fmt: skip
        if not more:
            break
        values |= more

    def floor(name: str) -> str:
        top = name.split(".")[0]
        if name in values:
            return "values"
        if top in ("wire", "transfer", "notebook"):
            return top
        if top in _PROGRAMS:
            return "programs"
        return "wire" if top == "testing" else "library"

    by_floor: dict[str, list[str]] = {f: [] for f in _FLOORS}
    arrows: Counter[tuple[str, str]] = Counter()
    for name in paths:
        if name:
            by_floor[floor(name)].append(name)
            for target in edges[name]:
                if floor(target) != floor(name):
                    arrows[floor(name), floor(target)] += 1
    return by_floor, arrows


def _plain(path: Path) -> bool:
    import sys

    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if any(n.split(".")[0] not in sys.stdlib_module_names | {"s3nb", "__future__"} for n in names):
            return False
    return True


def picture() -> str:
    """Return the floors as an SVG: a box for each module, an arrow from floor to floor with the number of imports."""
    by_floor, arrows = floors()
    width, left, right, box, line, pad = 760, 96, 150, 20, 26, 10
    inner = width - left - right
    parts: list[str] = []
    tops: dict[str, tuple[float, float]] = {}
    y = 8.0
    for floor in _FLOORS:
        x, rows, placed = 0.0, 0, []
        for name in by_floor[floor]:
            shown = name.removeprefix(f"{floor}.") if name != floor else f"{floor}/"
            wide = 7.0 * len(shown) + 12
            if x + wide > inner - 2 * pad:
                x, rows = 0.0, rows + 1
            placed.append((x, rows, wide, shown))
            x += wide + 6
        high = (rows + 1) * line + 2 * pad - 6
        tops[floor] = (y, high)
        parts.append(f'<rect class="floor" x="{left}" y="{y}" width="{inner}" height="{high}" rx="6"/>')
        parts.append(f'<text class="name" x="{left - 10}" y="{y + high / 2 + 5}" text-anchor="end">{floor}</text>')
        for x, row, wide, shown in placed:
            bx, by = left + pad + x, y + pad + row * line
            parts.append(f'<rect class="box" x="{bx}" y="{by}" width="{wide}" height="{box}" rx="3"/>')
            parts.append(
                f'<text class="mod" x="{bx + wide / 2}" y="{by + 14}" text-anchor="middle">{escape(shown)}</text>'
            )
        y += high + 22
    order = {floor: n for n, floor in enumerate(_FLOORS)}
    lane = 0
    for (above, below), count in sorted(
        arrows.items(), key=lambda a: (order[a[0][1]] - order[a[0][0]], order[a[0][0]])
    ):
        up, down = tops[above], tops[below]
        if order[below] < order[above]:
            raise AssertionError(f"an arrow points upwards: {above} imports {below}")
        if order[below] == order[above] + 1:
            x = left + inner / 2
            parts.append(f'<path class="arrow" d="M{x} {up[0] + up[1]} V{down[0] - 2}" marker-end="url(#head)"/>')
            parts.append(f'<text class="count" x="{x + 8}" y="{down[0] - 6}">{count}</text>')
        else:
            x0, x1 = left + inner, left + inner + 14 + 13 * lane
            lane += 1
            y0, y1 = up[0] + up[1] / 2 + 3 * lane - 12, down[0] + down[1] / 2 + 3 * lane - 12
            parts.append(f'<path class="arrow" d="M{x0} {y0} H{x1} V{y1} H{x0 + 3}" marker-end="url(#head)"/>')
            parts.append(f'<text class="count" x="{x1 - 3}" y="{y0 - 3}" text-anchor="end">{count}</text>')
    style = (
        ".floor{fill:none;stroke:currentColor;opacity:.35}.box{fill:currentColor;opacity:.09}"
        ".name{font:600 13px sans-serif;fill:currentColor}.mod{font:12px monospace;fill:currentColor}"
        ".count{font:11px sans-serif;fill:currentColor;opacity:.75}"
        ".arrow{fill:none;stroke:currentColor;opacity:.55;stroke-width:1.2}"
    )
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="currentColor"/></marker></defs>'
    )
    svg = (
        f'<svg class="s3nb-floors" role="img" aria-label="The modules of s3nb by floor; arrows point downwards only" '
        f'viewBox="0 0 {width} {y - 14:.0f}" xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{head}'
        + "".join(parts)
        + "</svg>"
    )
    return f"```{{raw}} html\n{svg}\n```\n"


# -- all of it ------------------------------------------------------------------------------------------------------

_NOTEBOOKS = """They run against a server inside their own kernel: no account, no network. What is shown here was made when these pages
were built. `make lab` opens them
in JupyterLab."""

PIECES = {
    "verbs.md": verbs,
    "verb-table.md": verb_table,
    "verb-list.md": verb_list,
    "common-options.md": common_options,
    "settings.md": settings,
    "magic-settings.md": magic_settings,
    "error-tree.md": error_tree,
    "error-table.md": error_table,
    "picture.md": picture,
}


def write(docs: Path = DOCS) -> None:
    """Write all pieces, and bring the notebooks and other files of the project that are pages too."""
    folder = docs / "generated"
    folder.mkdir(exist_ok=True)
    texts = {folder / name: piece() for name, piece in PIECES.items()}
    texts[docs / "reference" / "api.md"] = (
        "# The API\n\nMade from the docstrings. What is not here is not public: "
        "see [what stays as it is](../explanation/stability.md).\n\n" + api()
    )
    for path, text in texts.items():
        if not path.exists() or path.read_text("utf-8") != text:  # Sphinx reads again what is newer
            path.write_text(text, "utf-8")
    target = docs / "notebooks"
    target.mkdir(exist_ok=True)
    sources = sorted((docs.parent / "notebooks").glob("*.ipynb"))
    names = "\n".join(path.stem for path in sources)
    index = f"# Notebooks\n\n{_NOTEBOOKS}\n\n```{{toctree}}\n:maxdepth: 1\n\n{names}\n```\n"
    if not (target / "index.md").exists() or (target / "index.md").read_text("utf-8") != index:
        (target / "index.md").write_text(index, "utf-8")
    for stale in set(target.glob("*.ipynb")) - {target / path.name for path in sources}:
        stale.unlink()
    for path in sources:
        copied = target / path.name
        if not copied.exists() or copied.read_bytes() != path.read_bytes():
            shutil.copyfile(path, copied)


def setup(app: Any) -> dict[str, Any]:
    """Hook into Sphinx."""
    write(Path(app.confdir))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
