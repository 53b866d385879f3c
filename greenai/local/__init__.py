"""Language models on this machine: which weights are here, and one child process per model that serves them.

What it leaves to others: what a model is good for and what it takes (`catalog`), and how a request is sent to
an engine's address (`provider`). Importing this package loads no engine; `xllamacpp` is loaded in the child only.
"""

from __future__ import annotations

from greenai.local.engines import Engine, Engines, EngineSettings
from greenai.local.parker import Lease, Parking, Running, Seat

__all__ = ["Engine", "EngineSettings", "Engines", "Lease", "Parking", "Running", "Seat"]
