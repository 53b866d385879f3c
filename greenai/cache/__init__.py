"""Answers that were given before, for a request that is the same in everything that can shape the answer.

Decides what the same request is and whose answers may be shared (keys.py), which answers are kept and how long
(keep.py), and what is kept of one (entry.py); and, apart, which stored answer serves a question of the same meaning
(semantic.py, which a scope's keys still part). Where they are kept is the store's business (exact.py has its protocol);
whether the cache is asked at all is the flow's.
"""

from __future__ import annotations

from greenai.cache.entry import Entry
from greenai.cache.exact import ExactCache, ManagedStore, Store
from greenai.cache.keep import is_kept, term_for, ttl_for
from greenai.cache.keys import cache_key, exact_key, namespace, policy_fingerprint
from greenai.cache.semantic import Encoder, Hit, SemanticTier
from greenai.cache.vetoes import vetoes
from greenai.cache.volatility import volatility

__all__ = [
    "Encoder",
    "Entry",
    "ExactCache",
    "Hit",
    "ManagedStore",
    "SemanticTier",
    "Store",
    "cache_key",
    "exact_key",
    "is_kept",
    "namespace",
    "policy_fingerprint",
    "term_for",
    "ttl_for",
    "vetoes",
    "volatility",
]
