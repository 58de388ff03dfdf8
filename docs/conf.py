"""Sphinx: `sphinx-build -W -b html docs docs/_build/html`."""

from xbarch import __version__

project = "xbarch"
author = "The xbarch maintainers"
copyright = "the xbarch maintainers"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"xbarch {version}"
highlight_language = "none"
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]
autodoc_mock_imports = ["sklearn", "torch"]  # the pages need no extra but docs
napoleon_use_rtype = False
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "Options"}
python_maximum_signature_line_length = 100
