"""Sphinx: the pages are Markdown, by myst."""

project = "Atoll"
copyright = "The Atoll authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "alabaster"
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links to examples and sources are for readers of the repository
