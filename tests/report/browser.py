"""A headless Chromium for tests, downloaded once into the virtual environment: no browser need be installed.

The build is that of @sparticuz/chromium, which brings the few libraries that it needs; it plays H.264.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import platform
import shutil
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

VERSION = "153.0.0"
ADDRESS = f"https://registry.npmjs.org/@sparticuz/chromium/-/chromium-{VERSION}.tgz"
SHA512 = "jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA=="
PARTS = ("al2023", "swiftshader", "fonts")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-zygote", "--headless=shell", "--disable-dev-shm-usage",
           "--autoplay-policy=no-user-gesture-required"]  # fmt: skip
TIMEOUT_S = 120
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}/fonts</dir><cachedir>{folder}/font-cache</cachedir></fontconfig>
"""


def chromium_folder() -> Path:
    """The unpacked browser; skips the test, with the reason, where it cannot be had."""
    folder = Path(sys.prefix, f"chromium-{VERSION}")
    if folder.is_dir():
        return folder
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip(f"the browser of these tests is for Linux on x86_64, this is {platform.platform()}")
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        _unpack(_download(), partial)
        partial.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # another test may have been quicker
            pytest.skip(f"no browser: {ADDRESS} cannot be had ({error})")
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _download() -> bytes:
    with urllib.request.urlopen(ADDRESS, timeout=TIMEOUT_S) as answer:
        data = bytes(answer.read())
    digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
    assert digest == SHA512, f"{ADDRESS} is not what it was: SHA-512 {digest}"
    return data


def _unpack(package: bytes, folder: Path) -> None:
    brotli = pytest.importorskip("brotli")
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:

        def read(name: str) -> bytes:
            file = archive.extractfile(f"package/bin/{name}.br")
            assert file is not None, name
            return bytes(brotli.decompress(file.read()))

        (folder / "chromium").write_bytes(read("chromium"))
        (folder / "chromium").chmod(0o755)
        for part in PARTS:
            with tarfile.open(fileobj=io.BytesIO(read(f"{part}.tar"))) as inner:
                inner.extractall(folder, filter="data")


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser, of Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api")
    folder = chromium_folder()
    (folder / "fonts.conf").write_text(
        FONTS.format(folder=folder)
    )  # absolute, else its cache is made where we are
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": f"{folder / 'lib'}:{folder}",
        "FONTCONFIG_PATH": str(folder),
        "HOME": str(folder),
    }
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(folder / "chromium"), args=OPTIONS, env=environment
        )
        yield browser
        browser.close()
