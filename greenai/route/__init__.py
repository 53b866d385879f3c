"""Which models may answer a request, in which order, and whether a reply suffices. Pure: no I/O, no state.

    ladder.py   what may be substituted
    needs.py    what a request needs of a model, and what it lacks
    policy.py   where on the ladder to start
    judge.py    whether the reply suffices

Trying the rungs, budgets and errors of providers are left to the flow.
"""

from __future__ import annotations

from greenai.route.judge import suffices, unsure
from greenai.route.ladder import Ladder, is_pin, ladder_for
from greenai.route.needs import unverifiable
from greenai.route.policy import ENERGY_PRICE, FLOORS, VERIFY_BAND, Route, losses, route

__all__ = [
    "ENERGY_PRICE",
    "FLOORS",
    "VERIFY_BAND",
    "Ladder",
    "Route",
    "is_pin",
    "ladder_for",
    "losses",
    "route",
    "suffices",
    "unsure",
    "unverifiable",
]
