"""Encryption at rest: AES-256-GCM, a data key per org, wrapped by one master key (architecture section 2, test S08).

What is bound to a place cannot be moved: the additional data of every sealed value is org, table, column and row.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE = 12


class Tampered(Exception):
    """A sealed value is not what was sealed at this place, or the key is another one."""


@dataclass(frozen=True, repr=False)
class Master:
    """The key that wraps data keys. From a file, or from the environment."""

    key: bytes

    @classmethod
    def from_text(cls, text: str) -> "Master":
        """Read a key of 32 bytes in base64."""
        key = base64.b64decode(text.strip(), validate=True)
        if len(key) != 32:
            raise ValueError("the master key must be 32 bytes in base64: make one with `openssl rand -base64 32`")
        return cls(key)

    @classmethod
    def from_file(cls, path: Path) -> "Master":
        """Read the key, or make it once with mode 0600."""
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls.from_text(path.read_text(encoding="ascii"))
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(base64.b64encode(os.urandom(32)).decode() + "\n")
        return cls.from_text(path.read_text(encoding="ascii"))

    def wrap(self, data_key: bytes, place: str) -> bytes:
        return seal(self.key, data_key, place)

    def unwrap(self, wrapped: bytes, place: str) -> bytes:
        return unseal(self.key, wrapped, place)


def new_key() -> bytes:
    return os.urandom(32)


def seal(key: bytes, data: bytes, place: str) -> bytes:
    """Encrypt data for one place; `unseal` with another place fails."""
    nonce = os.urandom(_NONCE)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, data, place.encode())


def unseal(key: bytes, sealed: bytes, place: str) -> bytes:
    """Decrypt what was sealed for this place, or raise `Tampered`."""
    if sealed[:1] != _VERSION:
        raise Tampered(f"{place}: unknown form of sealed value")
    try:
        return AESGCM(key).decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], place.encode())
    except InvalidTag as error:
        raise Tampered(f"{place}: the sealed value does not belong here, or the key is another one") from error


def token_hash(token: str) -> bytes:
    """Return what the database keeps of a token. Tokens are random and long, so one SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()


def same(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
