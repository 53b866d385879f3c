"""Many requests that can wait: `client.batch(requests, by="tonight")`.

    requests ─ items.py ─ plan.py ─ window.py (when) ─ a lane (how) ─ journal.py (kept) ─ answers.py, in the order given
                                                        ├─ calls_lane.py     the client's own flow, some at once
                                                        ├─ provider_lane.py  a provider's batch API
                                                        │   provider_files.py (what is sent), provider_api.py (by whom),
                                                        │   provider_parts.py (what is remembered), batch_lines.py
                                                        └─ ray_lane.py, vllm_lane.py  a GPU fleet, both by fleet.py

job.py runs them in this order. ways.py chooses the lane, callers.py says for whom a job is asked, watching.py shows how
far it is, lanes.py says what a lane is, values.py what one is given and returns. The journal's rows are in
store/batch_db.py.

A job survives a crash: what was answered is in its journal before it counts as done, and is never asked again.
"""

from __future__ import annotations
