"""An S3 server that machines in namespaces reach, what a job has in it, and what came out."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

URL = "s3://three-nodes"


def environment(endpoint: str) -> dict[str, str]:
    """What a person sets to reach it."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@contextmanager
def served(address: str, media: Path) -> Iterator[Any]:
    """A server with the media below `in/` of a bucket; gives fsspec's file system for it."""
    import fsspec
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    server.start()
    try:
        os.environ.update(environment(f"http://{address}:{server.get_host_and_port()[1]}"))
        files = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)
        files.mkdir(URL.removeprefix("s3://"))
        for path in sorted(media.rglob("*.*")):
            files.put_file(str(path), f"{URL}/in/{path.relative_to(media)}")
        yield files
    finally:
        server.stop()


def names(files: Any) -> list[str]:
    """All that is below the output, by its name there."""
    root = f"{URL.removeprefix('s3://')}/out/"
    return sorted(str(name).removeprefix(root) for name in files.find(f"{URL}/out"))


def digests(files: Any) -> dict[str, str]:
    """As `jobs.digests`, of what is in the bucket."""
    wanted = [
        name
        for name in names(files)
        if not name.startswith(".stylize/")
        or (name.startswith(".stylize/segments/") and name.endswith(".png"))
    ]
    return {name: hashlib.sha256(files.cat_file(f"{URL}/out/{name}")).hexdigest() for name in wanted}
