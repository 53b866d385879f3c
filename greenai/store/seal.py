"""Values as stores keep them: JSON, compressed, sealed under a secret, so that only what greenai wrote is read back.

A blob is a magic number, the schema's number, when it ends, an HMAC over all of it and the key, and the body. With
encryption the body is AES-256-GCM. Nothing is unpacked before its HMAC holds, and nothing is ever unpickled. The only
door to `cryptography`, imported where encryption is asked for.
"""

from __future__ import annotations

import hmac
import json
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

from greenai.errors import MissingExtra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["MAX_VALUE_BYTES", "SCHEMA", "RefusedError", "Seal", "require_encryption"]

SCHEMA = 1
"""What this library writes. A blob with a higher number is left to the newer library that wrote it."""

MAX_VALUE_BYTES = 8 * 1024**2
MAX_TEXT_BYTES = 8 * MAX_VALUE_BYTES

_MAGIC = b"gA"
_HEAD = struct.Struct(">2sBd")  # magic, schema, end in seconds since 1970
_MAC_BYTES = 32
_NONCE_BYTES = 12
_BUFFER = 4096  # most values fit
_LEVEL = 1  # zlib: the fastest; higher levels gain little on answers of this size and take twice the time
_SMALL = 3072  # up to so many bytes zlib works in 40 KB of memory: clearing its usual 260 KB takes most of the time
_SMALL_WINDOW, _SMALL_MEMORY = 12, 4  # 4 KB of text and 2^11 places to look for it
_TEXT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class RefusedError(Exception):
    """A blob that is not to be read. `newer`: a newer greenai wrote it, so it is none of ours to remove."""

    def __init__(self, message: str, *, newer: bool = False) -> None:
        super().__init__(message)
        self.newer = newer


class Seal:
    """Packs values and opens them again, under one secret.

    Args:
        secret: whoever has it can write values that are believed, and read encrypted ones.
        encrypt: keep the values from those who can read the store but have no secret.

    Raises:
        MissingExtra: encryption is asked for and `cryptography` is not installed.
    """

    def __init__(self, secret: bytes, *, encrypt: bool = False) -> None:
        # With and without encryption the seals differ: a value in the clear is refused once encryption is on.
        self._mac_key = _derived(secret, "mac, encrypted" if encrypt else "mac")
        self._cipher = _cipher(_derived(secret, "aes-256-gcm")) if encrypt else None
        self.name = hmac.digest(self._mac_key, b"name", "sha256")[:6].hex()

    def close(self, key: str, value: object, expires_at: float) -> bytes | None:
        """Return `value` as a blob for `key`; None where it is no JSON or too large."""
        try:
            text = _TEXT(value)
        except (TypeError, ValueError, RecursionError):
            return None
        data = text.encode("utf-8", "surrogatepass")
        body = _packed(data) if len(data) <= MAX_TEXT_BYTES else data
        if len(body) > MAX_VALUE_BYTES:
            return None
        head = _HEAD.pack(_MAGIC, SCHEMA, expires_at)
        if self._cipher is not None:
            nonce = os.urandom(_NONCE_BYTES)
            body = nonce + self._cipher.encrypt(nonce, body, None)
        return head + self._mac(head, key, body) + body

    def open(self, key: str, blob: object, now: float) -> Any:
        """Return the value in a blob; None where its time is over at `now`.

        Raises:
            RefusedError: it is no blob of ours for this key, or of a newer schema.
        """
        if type(blob) is not bytes or blob[:2] != _MAGIC or len(blob) < _HEAD.size + _MAC_BYTES:
            raise RefusedError("it is not a value that greenai writes")
        _, schema, expires_at = _HEAD.unpack_from(blob)
        if schema > SCHEMA:
            raise RefusedError(f"it has schema {schema}, and this version reads {SCHEMA}", newer=True)
        head, mac = blob[: _HEAD.size], blob[_HEAD.size : _HEAD.size + _MAC_BYTES]
        body = blob[_HEAD.size + _MAC_BYTES :]
        if schema != SCHEMA or not hmac.compare_digest(mac, self._mac(head, key, body)):
            raise RefusedError("its seal does not hold")
        return None if expires_at <= now else self._value(body)

    def _mac(self, head: bytes, key: str, body: bytes) -> bytes:
        name = key.encode("utf-8", "surrogatepass")
        return hmac.digest(self._mac_key, b"%b%d:%b%b" % (head, len(name), name, body), "sha256")

    def _value(self, body: bytes) -> Any:
        try:
            if self._cipher is not None:
                body = self._cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], None)
            text = zlib.decompress(body, bufsize=_BUFFER)
            return json.loads(text.decode("utf-8", "surrogatepass"))
        except (zlib.error, ValueError, RecursionError) as error:  # only whoever has the secret can write one
            raise RefusedError("it is sealed and no compressed JSON") from error


def _packed(data: bytes) -> bytes:
    """Return the data as zlib compresses it; of few bytes the same in a fifth of the time."""
    if len(data) > _SMALL:
        return zlib.compress(data, _LEVEL)
    small = zlib.compressobj(_LEVEL, zlib.DEFLATED, _SMALL_WINDOW, _SMALL_MEMORY)
    return small.compress(data) + small.flush()


def _derived(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, b"greenai cache: " + purpose.encode(), "sha256")


def require_encryption() -> None:
    """Raise now what a `Seal` with encryption would raise.

    Raises:
        MissingExtra: `cryptography` is not installed.
    """
    _cipher(bytes(32))


def _cipher(key: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise MissingExtra("encrypt", "cryptography", "Encryption of the cache (cache_encrypt)") from None
    return AESGCM(key)
