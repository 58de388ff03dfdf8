"""The event loop of the fast engine: `xbarch.sim.graph` in one flat memory of integers, without objects.

Plain Python over a list, and the same functions compiled over an array (`xbarch.sim.compiled`). Nothing here allocates:
where a section of the memory is full, the loop stops (`FULL`), is given a larger memory and goes on.

Two heaps drive it. Arrivals (requests, ends of gates, tokens that are done, room given back) of an instant come first,
in any order: they only add. Then servers take turns, those with the lowest number first, one request at a time. What a
turn causes at the same instant takes effect before the next turn. The requests that wait in a queue are a heap as well,
the first of them at its head.

Where nothing is arbitrated, no turn is needed: a stage with a server of its own (`AHEAD`) starts at max(request, end of
its last token), so its times, and those of the stages after it, follow by arithmetic as soon as the time of its request
is known. That is right as long as its requests come in order, of time and of their windows. Where they do not, the loop
stops (`DISORDER`), and the run is repeated with every server arbitrated. Where nothing at all is arbitrated, `recur`
needs no heaps either: the times of each window follow from those before it.

`layout` says what lies where in the memory; `heaps`, `stages`, `windows` and `turns` are the parts of the events,
`loop` runs them, and `recurrence` is the arithmetic without arbitration.

A *visit* is one stage of one token; the visits of a token lie side by side, in the order of its copy's stages. A
finished token leaves its place to the next token of its copy.
"""
