"""Sphinx: `sphinx-build -W -b html docs docs/_build/html`."""

from docutils import nodes

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
smartquotes_action = "q"  # quotes, but no dashes: options begin with two hyphens
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
    """Connect what mends the pages of source text, and the glossary's terms."""
    app.connect("html-collect-pages", _drop_sourceless, priority=1)
    app.connect("doctree-read", _note_terms)


def _note_terms(app, doctree):
    """Make the terms of the glossary targets of `{term}`, each without what stands in parentheses; a term that has
    several words between commas also by each of these. All begin with a small letter."""
    if app.env.docname != "glossary":
        return
    domain = app.env.get_domain("std")
    for term in doctree.findall(nodes.term):
        name = term.astext().partition(" (")[0]
        target = f"term-{nodes.make_id(name)}"
        term["ids"].append(target)
        for each in dict.fromkeys([name, *name.split(", ")]):
            domain.note_object("term", each[0].lower() + each[1:], target, term)


def _drop_sourceless(app):
    """Take modules without source text, such as `builtins`, from the list of viewcode, which would link to no page."""
    known = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, found in known.items() if not found]:
        del known[name]
    return ()
