"""What is known of fsspec's file systems: which there are, what they can, how they list, what they complain of."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.errors import ConfigError, StorageError

CONDITIONAL = frozenset(("s3", "s3a", "gs", "gcs", "memory"))
"""File systems that put a file only where there is none, in one step; with others we look first."""

MATCHING = frozenset(("s3", "s3a"))
"""Those that replace a file only where it still is the one that was seen."""

PAGE = 1000
"""Names that S3 gives at once."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of this machine's disk, not of the file system behind the URL."""


def file_system(url: str) -> Any:
    """What fsspec has for a URL; errors as of `check_scheme`, `StorageError` where it cannot be set up."""
    import fsspec

    check_scheme(url)
    scheme = url.partition("://")[0]
    try:
        return fsspec.filesystem(scheme, use_listings_cache=False)
    except Exception as error:
        raise StorageError(f"{url}: {why(error, scheme)}") from error


def check_scheme(url: str) -> None:
    """Raise `ConfigError` where a URL's package is missing here, or nobody knows its scheme; asks no server."""
    import fsspec

    scheme = url.partition("://")[0]
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        package = 'pip install "stylize[s3]"' if scheme in MATCHING else str(error)
        raise ConfigError(f"{url} needs a package that is not installed: {package}") from None
    except ValueError:
        raise ConfigError(
            f"{url} is of a kind that fsspec does not know: {scheme}; for example s3://bucket/in"
        ) from None


def why(error: Exception, scheme: str) -> str:
    """What a file system complains of, and what to do about it."""
    kind = type(error).__name__
    environment = " (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)" if scheme in MATCHING else ""
    if kind in ("NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "ProfileNotFound"):
        return f"no credentials; set them in the environment{environment}, on every machine"
    if isinstance(error, PermissionError):
        return f"refused ({_line(error)}); check the credentials{environment}, and what they may do"
    is_cut_off = isinstance(error, ConnectionError | TimeoutError | socket.gaierror)
    if is_cut_off or "Endpoint" in kind or "Connector" in kind:  # the latter is aiohttp's, of http and others
        where = "AWS_ENDPOINT_URL and " if scheme in MATCHING else "the address and "
        return f"cannot be reached ({_line(error)}); check {where}the network, then run again"
    return f"does not answer as it should ({kind}: {_line(error)}); run again, what is finished is kept"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def is_refusal(error: OSError) -> bool:
    """Whether an error says that a condition did not hold: 412, or 409 where two put at once."""
    code = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code", "")
    return (
        code in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
        or error.errno == errno.EEXIST
    )


def one_page(fs: Any, path: str) -> Iterator[list[dict[str, Any]]]:
    yield fs.ls(path, detail=True)


def s3_pages(fs: Any, path: str, stem: str) -> Iterator[list[dict[str, Any]]]:
    """A folder's entries as S3 gives them, a thousand at a time; `ls` would gather all of them first."""
    from fsspec.asyn import sync

    bucket, key, _ = fs.split_path(path)
    entries = fs._iterdir(bucket, prefix=f"{key}/{stem}" if key else stem)

    async def page() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async for entry in entries:
            found.append(entry)
            if len(found) == PAGE:
                break
        return found

    while found := sync(fs.loop, _translated(page)):
        yield found


def _translated(ask: Callable[[], Any]) -> Callable[[], Any]:
    async def asked() -> Any:
        from botocore.exceptions import ClientError
        from s3fs.errors import translate_boto_error

        try:
            return await ask()
        except ClientError as error:
            raise translate_boto_error(error) from error

    return asked
