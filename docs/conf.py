"""Sphinx builds these pages: `make docs`. Everything that the code can say for itself is generated (`_ext`)."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import s3nb  # noqa: E402

project = "s3nb"
author = "the s3nb authors"
copyright = author
version = release = s3nb.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "generated",
]
exclude_patterns = ["_build", "_ext", "_templates", "generated", "**.ipynb_checkpoints"]
default_role = "py:obj"
nitpicky = False  # docstrings name types in words as well ("path", "iterable")
templates_path = ["_templates"]

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections have them
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # CHANGELOG.md, README.md begin where they are included

# The notebooks run while the pages are built, each on a sandbox of its own; a failing cell fails the build.
nb_execution_mode = os.environ.get("S3NB_DOCS_EXECUTE", "cache")
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

# Nothing of the user's settings may show in an output.
_nothing = tempfile.NamedTemporaryFile(prefix="s3nb-docs-", suffix=".ini")  # noqa: SIM115  # lives as long as the build
os.environ.update(
    AWS_CONFIG_FILE=_nothing.name, AWS_SHARED_CREDENTIALS_FILE=_nothing.name, AWS_EC2_METADATA_DISABLED="true"
)
for _name in list(os.environ):
    if _name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        del os.environ[_name]

html_theme = "furo"
html_title = f"s3nb {release}"
html_static_path = ["_static"]
html_css_files = ["s3nb.css"]
html_copy_source = False
html_show_copyright = False
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

man_pages = [("reference/man", "s3nb", "S3 at wire speed, many objects at a time", author, 1)]
man_show_urls = True
