"""How the documentation is built: ``make docs``."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "proxyables"
author = "The proxyables authors"
project_copyright = author
release = version = version_of("proxyables")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"proxyables {release}"
exclude_patterns = ["_build", "requirements.txt"]

# What is typed at our prompt is not all Python: commands, and names with a question mark.
suppress_warnings = ["misc.highlighting_failure"]

myst_heading_anchors = 4
default_role = "code"
autodoc_typehints = "description"
autodoc_member_order = "bysource"
