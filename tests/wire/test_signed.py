"""Which requests are signed, and what of a signature stays the same."""

from __future__ import annotations

import pytest

from greenai.wire.signed import is_signed, without_signature

SIGNED = {
    "authorization": (
        "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261122/us-east-1/bedrock/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=abc"
    ),
    "x-amz-date": "20261122T010203Z",
    "x-amz-security-token": "token",
    "accept": "application/json",
}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (SIGNED, True),
        ({"authorization": "Signature keyId=1"}, True),
        ({"content-digest": "sha-256=:abc:"}, True),
        ({"authorization": "Bearer key"}, False),
        ({}, False),
    ],
)
def test_what_is_signed(headers: dict[str, str], expected: bool) -> None:
    assert is_signed(headers) is expected


def test_only_the_key_of_a_signature_stays() -> None:
    later = {**SIGNED, "authorization": SIGNED["authorization"].replace("abc", "def"), "x-amz-date": "20261122T020304Z"}
    kept = {"accept": "application/json", "authorization": "AWS4 AKIAEXAMPLE"}
    assert without_signature(SIGNED) == without_signature(later) == kept
    other = {**SIGNED, "authorization": SIGNED["authorization"].replace("AKIAEXAMPLE", "AKIAOTHER")}
    assert without_signature(other)["authorization"] == "AWS4 AKIAOTHER"
    assert without_signature({"authorization": "Bearer key"}) == {"authorization": "Bearer key"}
