"""Sphinx: `sphinx-build -W -b html docs docs/_build/html`."""

from xbarch import __version__

project = "xbarch"
author = "The xbarch maintainers"
copyright = "the xbarch maintainers"
release = version = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton",
              "sphinx_design"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"xbarch {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_js_files = ["tables.js"]
highlight_language = "none"
default_role = "code"  # of docstrings
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]
nb_execution_mode = "off"  # notebooks are stored with what `python docs/notebooks.py` printed
autodoc_mock_imports = ["sklearn", "torch"]  # the pages need no extra but docs
napoleon_use_rtype = False
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "Options"}
python_maximum_signature_line_length = 100


def setup(app):
    """Connect what mends the pages of source text."""
    app.connect("html-collect-pages", _drop_sourceless, priority=1)


def _drop_sourceless(app):
    """Take modules without source text, such as `builtins`, from the list of viewcode, which would link to no page."""
    known = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, found in known.items() if not found]:
        del known[name]
    return ()
