"""Many requests that can wait: `client.batch(requests, by="tonight")`.

    requests ─ items.py ─ plan.py ─ window.py (when) ─ a lane (how) ─ journal.py (kept) ─ results, in the order given
                                                        ├─ calls_lane.py     the client's own flow, some at once
                                                        ├─ provider_lane.py  a provider's batch API
                                                        └─ ray_lane.py, vllm_lane.py  a GPU fleet

A job survives a crash: what was answered is in its journal before it counts as done, and is never asked again.
"""

from __future__ import annotations
