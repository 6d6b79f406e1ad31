"""API keys: where they are kept, and which requests have one."""

# Without `from __future__ import annotations`: FastAPI reads those of `Keys.__call__`.
import hmac
import os
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from fastapi import HTTPException, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from handseg.errors import HandsegError

VARIABLE = "HANDSEG_API_KEYS"
SHORTEST = 16
BEARER = HTTPBearer(auto_error=False)
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False)


class Keys:
    """A dependency of routes: raises 401 unless a request has one of these keys."""

    def __init__(self, keys: Collection[str]) -> None:
        self._keys = [key.encode() for key in keys]

    def __call__(
        self,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
        header: Annotated[str | None, Security(HEADER)],
    ) -> None:
        given = (bearer.credentials if bearer else header or "").encode()
        same = [hmac.compare_digest(given, key) for key in self._keys]  # all, so that time tells nothing
        if not any(same):
            said = "an API key is needed: send Authorization: Bearer KEY, or X-API-Key: KEY"
            raise HTTPException(401, said, {"WWW-Authenticate": "Bearer"})


def read_keys(path: Path | None) -> list[str]:
    """The keys of a file, one a line, `#` begins a comment; without a file those of HANDSEG_API_KEYS, between commas.

    Raises HandsegError where the file can't be read or names none, and for a key that is easily guessed.
    """
    if path is None:
        where, lines = VARIABLE, os.environ.get(VARIABLE, "").split(",")
    else:
        where = str(path)
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise HandsegError(f"{path}: the API keys can't be read ({error}); check the file") from error
    keys = [key for line in lines if (key := line.partition("#")[0].strip())]
    if not keys and (path is not None or VARIABLE in os.environ):
        raise HandsegError(f"{where}: no API key in it; give one or more, or leave it out to let everyone in")
    if any(len(key) < SHORTEST or not key.isascii() or not key.isprintable() or " " in key for key in keys):
        raise HandsegError(
            f"{where}: an API key has {SHORTEST} characters or more and no spaces; make one with: openssl rand -hex 24"
        )
    return keys
