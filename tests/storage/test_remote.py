"""Single files behind a URL, and what is said where they cannot be reached."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.config import load_config
from pipeline.errors import ConfigError, StorageError
from pipeline.storage import remote, systems
from pipeline.storage.remote import Remote, Thing
from tests.storage.buckets import Bucket


@pytest.fixture(params=["s3", "memory"])
def place(request: pytest.FixtureRequest) -> Bucket:
    """A place of each kind: with conditions in one step and without a tag."""
    return request.getfixturevalue("bucket" if request.param == "s3" else "memory")  # type: ignore[no-any-return]


def test_the_first_put_wins(place: Bucket, tmp_path: Path) -> None:
    (tmp_path / "late").write_bytes(b"second")
    there = Remote(place.url)
    assert there.create("a/b.png", b"first")
    assert not there.create("a/b.png", b"second")
    assert not there.create("a/b.png", tmp_path / "late")
    assert there.read("a/b.png") == b"first"


def test_a_file_is_replaced_only_where_it_is_the_one_that_was_seen(place: Bucket) -> None:
    there = Remote(place.url)
    there.create("a", b"one")
    seen = there.state("a")
    assert there.replace("a", b"two", over=seen)
    assert not there.replace("a", b"three", over=seen)
    there.remove(["a"])
    assert not there.replace("a", b"four", over=seen)
    assert there.read("a") is None


def test_what_is_gone_already_keeps_nothing_else_from_being_removed(place: Bucket, tmp_path: Path) -> None:
    for url in (f"{place.url}/run", f"local://{tmp_path}/run"):
        there = Remote(url)
        (tmp_path / "run").mkdir(exist_ok=True)
        for name in ("a", "b", "c[1]", "d"):
            there.replace(name, b"")
        there.remove(["b"])
        there.remove(["a", "b", "c[1]", "b", "d"])
        assert list(there.below()) == []


def test_without_conditions_it_is_looked_first(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "CONDITIONAL", frozenset())
    monkeypatch.setattr(remote, "MATCHING", frozenset())
    there = Remote(bucket.url)
    assert (there.create("a", b"one"), there.create("a", b"two")) == (True, False)
    seen = there.state("a")
    assert (there.replace("a", b"three", over=seen), there.replace("a", b"four", over=seen)) == (True, False)
    assert there.read("a") == b"three"


def test_a_fetched_file_is_dated_by_its_version_and_a_missing_one_leaves_nothing(
    place: Bucket, tmp_path: Path
) -> None:
    place.put("in/a.png", b"picture")
    there = Remote(f"{place.url}/in")
    (listed,) = there.within()
    assert isinstance(listed, Thing)
    assert listed.state == (7, listed.version) == there.state("a.png").state  # type: ignore[union-attr]
    assert there.fetch("a.png", tmp_path / "x" / "a.png", listed.version)
    state = (tmp_path / "x" / "a.png").stat()
    assert (state.st_size, state.st_mtime_ns) == listed.state
    assert not there.fetch("b.png", tmp_path / "x" / "b.png")
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["a.png"]


def test_a_folder_is_listed_page_by_page(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "PAGE", 2)
    for name in ("in/a", "in/b", "in/c", "in/d/e", "in/f/g/h", "input/i"):
        bucket.put(name, b"")
    there = Remote(f"{bucket.url}/in")
    found = [one if isinstance(one, str) else one.name for one in there.within()]
    assert sorted(found) == ["a", "b", "c", "d", "f"]
    assert sorted(thing.name for thing in there.below()) == ["a", "b", "c", "d/e", "f/g/h"]
    assert [thing.name for thing in Remote(bucket.url).starting("in/f/")] == []
    assert [thing.name for thing in Remote(bucket.url).starting("in/b")] == ["in/b"]
    assert list(Remote(f"{bucket.url}/nothing").within()) == []


def test_parts_of_a_file_are_read_without_the_rest(bucket: Bucket) -> None:
    bucket.put("a", bytes(1000) + b"end")
    with Remote(bucket.url).open("a", block_bytes=16) as file:
        file.seek(1000)
        assert file.read() == b"end"


@pytest.fixture
def checked_credentials(s3_endpoint: str) -> Iterator[None]:
    """From now on the server knows nobody."""

    def tell(count: str) -> None:
        request = urllib.request.Request(
            f"{s3_endpoint}/moto-api/reset-auth",
            count.encode(),
            {"Content-Type": "text/plain"},
            method="POST",
        )
        urllib.request.urlopen(request).read()

    tell("0")
    yield
    tell("inf")


@pytest.mark.usefixtures("checked_credentials")
def test_wrong_credentials_are_said_to_be_so(s3_environment: None) -> None:
    _forget()
    for ask in (
        lambda there: there.state("a"),
        lambda there: list(there.within()),
        lambda there: there.create("a", b""),
        lambda there: there.read("a"),
    ):
        with pytest.raises(StorageError, match=r"s3://bucket: refused \(.*\); check the credentials .*AWS_"):
            ask(Remote("s3://bucket"))


def test_missing_credentials_are_said_to_be_so(s3_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    _forget()
    with pytest.raises(StorageError, match=r"no credentials; set them in the environment .*on every machine"):
        Remote("s3://bucket").state("a")
    _forget()


def test_a_server_that_is_not_there_is_said_to_be_so(
    s3_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    _forget()
    with pytest.raises(StorageError, match=r"cannot be reached .*; check AWS_ENDPOINT_URL and the network"):
        Remote("s3://bucket").state("a")
    _forget()


def _forget() -> None:
    """fsspec keeps its connections; a process has one environment."""
    import fsspec

    fsspec.filesystem("s3").clear_instance_cache()


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("nope://bucket/in", "of a kind that fsspec does not know"),
        ("s3://bucket/../in", "must be a path"),
        ("s3://", "must be a path"),
    ],
)
def test_a_url_that_leads_nowhere_is_a_matter_of_the_config(
    url: str, complaint: str, write_job: Callable[..., Path]
) -> None:
    for key in ("input", "output"):
        with pytest.raises(ConfigError, match=rf"{key}.*{complaint}.*job.yaml"):
            load_config(write_job("memory://in", **{key: url}) if key == "output" else write_job(url))


def test_a_missing_package_is_named(write_job: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def missing(scheme: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(ConfigError, match=r'pip install "stylize\[s3\]"'):
        load_config(write_job("s3://bucket/in"))


def test_the_output_must_not_be_the_folder_of_an_input(write_job: Callable[..., Path]) -> None:
    for output in ("memory://bucket/in", "memory://bucket"):
        with pytest.raises(ConfigError, match="output must not"):
            load_config(write_job("memory://bucket/in/", output=output))
    load_config(write_job("memory://bucket/in/", output="memory://bucket/in/out"))


def test_inputs_that_are_not_there_name_the_url(memory: Bucket, write_job: Callable[..., Path]) -> None:
    from pipeline.look import look

    with pytest.raises(ConfigError, match=f"input {memory.url}/in does not exist"):
        look(load_config(write_job(f"{memory.url}/in", output=f"{memory.url}/out")))
