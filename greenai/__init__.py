"""greenai: each request to a language model answered with the least energy that still answers well.

from greenai import Client  # instead of: from openai import OpenAI

The public names load when they are first touched, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenai.bulk.job import AsyncJob, Job
    from greenai.client import AsyncClient, Client
    from greenai.errors import (
        BatchError,
        BatchPaused,
        BudgetExceeded,
        CacheError,
        EngineError,
        GreenAIError,
        InvalidRequest,
        LedgerCorrupt,
        LedgerError,
        LogUnreadable,
        MissingExtra,
        MissingKey,
        ModelError,
        ModelMissing,
        NoSufficientModel,
        OptInRequired,
        RequestTooLarge,
        SettingsError,
        UnknownModel,
        WeightsDamaged,
    )
    from greenai.features import AsyncFeature, AsyncFeatureResult, Feature, FeatureResult
    from greenai.hooks import collecting, last_receipt
    from greenai.integrations.completion import acompletion, completion
    from greenai.integrations.decorator import green
    from greenai.integrations.instrument import instrument, uninstrument
    from greenai.integrations.wrap import wrap
    from greenai.own import AsyncTask, Task
    from greenai.readings import Reading
    from greenai.settings import Settings
    from greenai.text import AsyncTextStream, TaskAnswer, TextAnswer, TextStream
    from greenai.values import Decision, Options, Receipt, Usage

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncFeature",
    "AsyncFeatureResult",
    "AsyncJob",
    "AsyncTask",
    "AsyncTextStream",
    "BatchError",
    "BatchPaused",
    "BudgetExceeded",
    "CacheError",
    "Client",
    "Decision",
    "EngineError",
    "Feature",
    "FeatureResult",
    "GreenAIError",
    "InvalidRequest",
    "Job",
    "LedgerCorrupt",
    "LedgerError",
    "LogUnreadable",
    "MissingExtra",
    "MissingKey",
    "ModelError",
    "ModelMissing",
    "NoSufficientModel",
    "OptInRequired",
    "Options",
    "Reading",
    "Receipt",
    "RequestTooLarge",
    "Settings",
    "SettingsError",
    "Task",
    "TaskAnswer",
    "TextAnswer",
    "TextStream",
    "UnknownModel",
    "Usage",
    "WeightsDamaged",
    "__version__",
    "acompletion",
    "collecting",
    "completion",
    "green",
    "instrument",
    "last_receipt",
    "uninstrument",
    "wrap",
]

_HOME = {
    "AsyncClient": "client",
    "AsyncJob": "bulk.job",
    "Job": "bulk.job",
    "Client": "client",
    "Settings": "settings",
    "AsyncTextStream": "text",
    "TextAnswer": "text",
    "TextStream": "text",
    "Decision": "values",
    "Options": "values",
    "AsyncFeature": "features",
    "AsyncFeatureResult": "features",
    "AsyncTask": "own",
    "Feature": "features",
    "FeatureResult": "features",
    "Task": "own",
    "collecting": "hooks",
    "last_receipt": "hooks",
    "TaskAnswer": "text",
    "Reading": "readings",
    "Receipt": "values",
    "Usage": "values",
    "acompletion": "integrations.completion",
    "completion": "integrations.completion",
    "green": "integrations.decorator",
    "instrument": "integrations.instrument",
    "uninstrument": "integrations.instrument",
    "wrap": "integrations.wrap",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'greenai' has no attribute {name!r}")
    value = getattr(import_module(f"greenai.{_HOME.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
