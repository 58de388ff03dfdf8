"""Results side by side as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence

from xbarch.render import document, pictures
from xbarch.render.compared import comparison, headings, unequal
from xbarch.result.result import Result
from xbarch.result.summary import components, facts
from xbarch.result.summary import details as further
from xbarch.support.defaults import SCOPE, Scope

_STYLE = """\
 h1{font-size:1.35rem} h2{font-size:1.1rem;margin-top:2rem;overflow-wrap:anywhere}
 .wide{overflow-x:auto} table{border-collapse:collapse;font-variant-numeric:tabular-nums}
 th,td{padding:.25rem .6rem;border-bottom:1px solid #d9e0e5;text-align:right;vertical-align:top}
 th:first-child,td:first-child{text-align:left;min-width:7.5rem} td,th{overflow-wrap:break-word}
 .facts td{overflow-wrap:anywhere;text-align:left}
 img{max-width:100%;height:auto} .note{color:#5a6872}
"""

_BODY = """\
<p class="note">A gain above 1 is better than the first column. Every number comes from the records of the runs.</p>
{% for text in warnings %}<p>{{ text }}</p>
{% endfor %}\
{% if rows %}<div class="wide"><table><thead><tr>
{% for head in heads %}<th>{{ head }}</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% endif %}
{% for r, facts, images in details %}<h2>{{ r.name }}</h2>
<div class="wide"><table class="facts"><tbody>
{% for what, value in facts %}<tr><td>{{ what }}</td><td>{{ value }}</td></tr>
{% endfor %}</tbody></table></div>
{% for name, image in images %}<p><img alt="{{ name }} of {{ r.name }}" src="{{ image | embedded }}"></p>{% endfor %}\
{% endfor %}
"""


def page(results: Sequence[Result], title: str, scope: Scope = SCOPE) -> str:
    """The page, energies in one scope. Names are escaped; pictures are embedded."""
    rows = [line.cells() for line in comparison(results, scope)]
    most = max((value for r in results for value in components(r.record, scope)[1].values()), default=0)
    details = [(r, facts(r.record, scope) + further(r.record, scope),
                [(name, pictures.render(draw, r)) for name, draw in pictures.drawable(r, scope, most).items()])
               for r in results]
    return document.page(title, _STYLE, _BODY, heads=headings(results), rows=rows, details=details,
                         warnings=unequal(results))
