"""Sphinx: `sphinx-build -W -b html docs docs/_build/html`."""

from xbarch import __version__

project = "xbarch"
author = "The xbarch maintainers"
copyright = "the xbarch maintainers"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "xbarch"
highlight_language = "none"
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]
napoleon_use_rtype = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
