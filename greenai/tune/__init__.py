"""Find how a model on this machine takes the least energy per token, by measuring.

`run` goes from a model's name to the profile that is kept. `search` decides which points of a `space` are measured and
when that is enough, on what `cells` knows so far. A bench measures a point: `llama` or `torch` in child processes that
may die, with the requests of `load`, within `memory`, and judged by `guard`; `traces` and `synthetic` stand in.
`journal` keeps every measurement as soon as it is made.
"""

from __future__ import annotations
