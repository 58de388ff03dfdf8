"""Results side by side as one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from jinja2 import Environment

from xbarch.report import pictures, units
from xbarch.report.result import Result
from xbarch.report.tables import comparison, headings, summary

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
 body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1rem;color:#1c2730}
 h1{font-size:1.35rem} h2{font-size:1.1rem;margin-top:2rem;overflow-wrap:anywhere}
 .wide{overflow-x:auto} table{border-collapse:collapse;font-variant-numeric:tabular-nums}
 th,td{padding:.25rem .6rem;border-bottom:1px solid #d9e0e5;text-align:right;vertical-align:top}
 th:first-child,td:first-child{text-align:left;min-width:7.5rem} td,th{overflow-wrap:break-word}
 .facts td{overflow-wrap:anywhere;text-align:left}
 img{max-width:100%;height:auto} .note{color:#5a6872}
</style></head><body>
<h1>{{ title }}</h1>
<p class="note">A ratio above 1 is better than the first column. Every number comes from the runs' records.</p>
{% if rows %}<div class="wide"><table><thead><tr>
{% for head in heads %}<th>{{ head }}</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% endif %}
{% for r, facts, images in details %}<h2>{{ r.name }}</h2>
<div class="wide"><table class="facts"><tbody>
{% for what, value in facts %}<tr><td>{{ what }}</td><td>{{ value }}</td></tr>
{% endfor %}</tbody></table></div>
{% for name, image in images %}<p><img alt="{{ name }} of {{ r.name }}" src="{{ image }}"></p>{% endfor %}{% endfor %}
</body></html>
"""


def page(results: Sequence[Result], title: str) -> str:
    """The page. Names are escaped; pictures are embedded."""
    rows = [line.cells() for line in comparison(results)]
    details = [(r, summary(r), [(name, _embed(r, name)) for name in pictures.PICTURES]) for r in results]
    template = Environment(autoescape=True, finalize=_printable).from_string(_PAGE)
    return template.render(title=title, heads=headings(results), rows=rows, details=details)


def _printable(value: object) -> object:
    return units.plain(value) if isinstance(value, str) else value


def _embed(result: Result, name: str) -> str:
    data = base64.b64encode(pictures.render(pictures.PICTURES[name], result)).decode()
    return "data:image/svg+xml;base64," + data
