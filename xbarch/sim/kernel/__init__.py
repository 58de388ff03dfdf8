"""The event loop of the fast engine: `xbarch.sim.graph` in one flat memory of integers, without objects.

Plain Python over a list, and the same functions compiled over an array (`xbarch.sim.compiled`). Nothing here allocates:
where a section of the memory is full the loop stops, is given a larger one and goes on (`FULL`).

Two heaps drive it. Arrivals (requests, ends of gates, tokens that are done, room given back) of an instant come first,
in any order: they only add. Then servers take turns, those of the lowest number first, a request at a time. What a turn
causes at the same instant is seen before the next one.

Where nothing is arbitrated there is nothing to wait for: a stage with a server of its own (`AHEAD`) starts at
max(request, end of its last token), so its times follow by arithmetic as soon as its request's is known, and those of
the stages after it. That is right as long as its requests come in their order; where they do not the loop stops
(`DISORDER`), and the run is done again with every server arbitrated. Where nothing at all is arbitrated, `recur` needs
no heaps either: whatever window may be issued next is worked out from those before it.

`layout` says what lies where in the memory; `heaps`, `stages`, `windows` and `turns` are the events' parts, `loop` runs
them, `recurrence` is the arithmetic without arbitration.

A *visit* is one stage of one token; the visits of a token lie side by side, in the order of its copy's stages. Tokens
that are through leave their place to the next of their copy.
"""
