"""Sign what was measured with a key of this user, and check the signatures of others. The door to Ed25519.

A signature says that whoever has the key wrote these figures, and that nobody changed them since; not who that is,
and not that the figures are right.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from greenai.errors import MissingExtra
from greenai.store.files import own_secret, private_folder

__all__ = ["KEY_FILE", "can_sign", "holds", "mark", "new_id", "sign"]

KEY_FILE = "signing.key"
MARK_DIGITS = 16
_WEAK_KEYS = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        *(f"{first}{'ff' * 30}7f" for first in ("ec", "ed", "ee")),
    )
)
"""Points of order 8 or less, without the bit of their sign: a signature of such a "key" holds for other content too."""


def can_sign() -> bool:
    """Say whether signatures can be made and checked here."""
    return find_spec("cryptography") is not None


def sign(data: bytes, folder: Path) -> Mapping[str, str]:
    """Sign `data` with the key in `folder`, made there with mode 0600 where there is none.

    Raises:
        MissingExtra: `cryptography` is not installed.
        OSError: the key can be neither read nor made.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise MissingExtra("encrypt", "cryptography", "Signing a rating") from None
    private_folder(folder)
    key = Ed25519PrivateKey.from_private_bytes(own_secret(folder / KEY_FILE)[:32])
    public = key.public_key().public_bytes_raw()
    return {"kind": "ed25519", "key": _text(public), "value": _text(key.sign(data))}


def holds(data: bytes, signature: Mapping[str, object]) -> bool:
    """Say whether `signature` is of `data`.

    Raises:
        MissingExtra: `cryptography` is not installed.
    """
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise MissingExtra("encrypt", "cryptography", "Checking a signature") from None
    try:
        public = _bytes(signature.get("key"))
        if public[:-1] + bytes((public[-1] & 0x7F,)) in _WEAK_KEYS:
            return False
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(_bytes(signature.get("value")), data)
    except (InvalidSignature, ValueError, IndexError):
        return False
    return signature.get("kind") == "ed25519"


def mark(signature: Mapping[str, object]) -> str:
    """Return the beginning of the key of a signature that holds, to tell one signer from another."""
    return _bytes(signature.get("key")).hex()[:MARK_DIGITS]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None


def new_id() -> str:
    """Return a random id for a record."""
    return os.urandom(16).hex()
