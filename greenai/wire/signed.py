"""Requests that carry a signature of their content, as Amazon's clients make them: they are sent as they are.

A signature is another one each second, so of a signed request only the key that it was made with tells its caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["is_signed", "without_signature"]

_SIGNATURES = ("AWS4-", "Signature ")
_DIGESTS = frozenset(("content-md5", "digest", "content-digest", "x-amz-content-sha256"))
"""What says that the content is signed: by its header `authorization`, or by a digest."""

_OF_THE_MOMENT = frozenset(("x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "amz-sdk-invocation-id"))
_AWS_KEY = re.compile(r"AWS4-\S+ .*?Credential=(?P<key>[^/,\s]+)")


def is_signed(headers: Mapping[str, str]) -> bool:
    """Say whether a signature in these headers is of the content."""
    return headers.get("authorization", "").startswith(_SIGNATURES) or not _DIGESTS.isdisjoint(headers)


def without_signature(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers as they are the same for two requests of one caller: AWS's signature is the key's id."""
    found = _AWS_KEY.match(headers.get("authorization", ""))
    if found is None:
        return headers
    kept = {name: value for name, value in headers.items() if name not in _OF_THE_MOMENT}
    return {**kept, "authorization": f"AWS4 {found['key']}"}
