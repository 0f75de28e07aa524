"""Secrets of a filesystem: in JSON, a word that this process knows stands for each."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from s3nb.errors import CredentialsError
from s3nb.text import Masked

_kept: dict[str, str] = {}
_words: dict[str, str] = {}


def hidden(secret: str) -> str:
    """Return the word that stands for a secret."""
    if secret in _kept:
        return secret
    word = _words.get(secret)
    if word is None:
        word = _words[secret] = f"kept-in-process-{secrets.token_hex(8)}"
        _kept[word] = secret
    return word


def revealed(secret: str | None) -> str | None:
    """Return the secret that a word stands for; anything else as it is.

    Raises
    ------
    CredentialsError
        The word is another process's.
    """
    if secret is None or not secret.startswith("kept-in-process-"):
        return secret
    if secret not in _kept:
        raise CredentialsError(
            "this filesystem comes from JSON of another process, and secrets are not written there: give secret= (and token=) again"
        )
    return _kept[secret]


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in ("secret", "token", "password"))


def without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with a word in place of each secret, at any depth."""
    return {
        name: without_secrets(value) if isinstance(value, Mapping)
        else hidden(value) if isinstance(value, str) and _is_secret(name)
        else value
        for name, value in options.items()
    }  # fmt: skip


def with_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the secrets that words stand for. They show no values."""
    return Masked({
        name: with_secrets(value) if isinstance(value, Mapping)
        else revealed(value) if isinstance(value, str) and _is_secret(name)
        else value
        for name, value in options.items()
    })  # fmt: skip
