"""A backup under a passphrase: scrypt makes the key, AES-256-GCM seals the file piece by piece.

The pieces are chained as STREAM does it (Hoang, Reyhanitabar, Rogaway and Vizar, Crypto 2015): each nonce holds the
piece's number and whether it is the last, so that none can be left out, moved or cut off unseen.
"""

import os
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from studies.safekeeping.errors import SafekeepingError

MAGIC = b"mosweb sealed 1\n"
SALT, PREFIX, TAG = 16, 7, 16
PIECE = 1 << 20
# 64 MiB and a quarter of a second for each guess; of RFC 7914's parameters, the cost of age's passphrases.
COST, BLOCK, PARALLEL = 2**16, 8, 1


def is_sealed(file: BinaryIO) -> bool:
    """Whether the file begins as a sealed one does; read from its beginning, and left there."""
    file.seek(0)
    found = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    return found


def seal(plain: BinaryIO, sealed: BinaryIO, *, passphrase: str) -> None:
    """Write what `plain` holds from here on, encrypted, to `sealed`."""
    salt, prefix = os.urandom(SALT), os.urandom(PREFIX)
    sealed.write(MAGIC + salt + prefix)
    cipher = _cipher(passphrase, salt)
    number, piece = 0, plain.read(PIECE)
    while True:
        following = plain.read(PIECE)
        sealed.write(cipher.encrypt(_nonce(prefix, number, last=not following), piece, MAGIC))
        if not following:
            return
        number, piece = number + 1, following


def unseal(sealed: BinaryIO, plain: BinaryIO, *, passphrase: str) -> None:
    """The reverse. Raises SafekeepingError for another passphrase, and for a file that is damaged or cut off."""
    header = sealed.read(len(MAGIC) + SALT + PREFIX)
    salt, prefix = header[len(MAGIC) : -PREFIX], header[-PREFIX:]
    cipher = _cipher(passphrase, salt)
    number, piece = 0, sealed.read(PIECE + TAG)
    while True:
        following = sealed.read(PIECE + TAG)
        try:
            plain.write(cipher.decrypt(_nonce(prefix, number, last=not following), piece, MAGIC))
        except InvalidTag:
            why = "it is damaged or cut off" if number else "the passphrase is another, or the file is damaged"
            raise SafekeepingError(f"This backup cannot be decrypted: {why}.") from None
        if not following:
            return
        number, piece = number + 1, following


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=COST, r=BLOCK, p=PARALLEL).derive(passphrase.encode()))


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])
