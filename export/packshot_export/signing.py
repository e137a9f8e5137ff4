"""Detached Ed25519 signatures of manifests, by the library ``cryptography``.

The manifest holds the SHA-256 of every file, so signing it signs the version. Keys are PEM files
and signatures are 64 raw bytes, which OpenSSL makes and checks as well:

    openssl genpkey -algorithm ed25519 -out signing.pem
    openssl pkey -in signing.pem -pubout -out public.pem
    openssl pkeyutl -verify -rawin -pubin -inkey public.pem -in manifest.json -sigfile manifest.json.sig
"""  # noqa: E501 - a command to copy

from __future__ import annotations

from pathlib import Path
from typing import Any

from packshot_export.errors import ExportError, VerificationError

SIGNATURE = "manifest.json.sig"


def sign(content: bytes, key: Path) -> bytes:
    """The signature of ``content``, 64 bytes.

    Raises:
        ExportError: The key is missing, has a password, or is no Ed25519 private key.
    """
    serialization, ed25519, _ = _library()
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ExportError(f"{key} cannot be used to sign: {error}. {_HOW}") from error
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise ExportError(f"{key} is no Ed25519 private key. {_HOW}")
    signature: bytes = private.sign(content)
    return signature


def check_signature(content: bytes, signature: Path, public_key: Path) -> None:
    """Refuse content that was not signed with the private half of ``public_key``.

    Raises:
        VerificationError: The signature is missing, or is another key's or content's.
        ExportError: The key is no Ed25519 public key.
    """
    serialization, ed25519, invalid = _library()
    try:
        key = serialization.load_pem_public_key(public_key.read_bytes())
    except (OSError, ValueError) as error:
        raise ExportError(f"{public_key} is no public key: {error}. {_HOW}") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ExportError(f"{public_key} is no Ed25519 public key. {_HOW}")
    if not signature.is_file():
        raise VerificationError(f"{signature} is missing: this version was not signed")
    try:
        key.verify(signature.read_bytes(), content)
    except invalid:
        raise VerificationError(
            f"{signature} does not fit: another key signed, or the manifest was changed"
        ) from None


_HOW = "Make one with: openssl genpkey -algorithm ed25519 -out signing.pem"


def _library() -> tuple[Any, Any, type[Exception]]:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise ExportError("signatures need: pip install 'packshot[export]'") from error
    return serialization, ed25519, InvalidSignature
