"""Ways to damage bytes, texts and JSON-like values; each takes a seeded generator, so damage can be done again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any, Literal

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308, float("inf"), float("nan"),
    "", " ", "\0", "a\nb", "\ud800", "\udcff", "é\u202e", "../x", "../../../etc/passwd", "/etc/passwd",
    "~/x", "x" * 5000,
    "1e999", "0x10", "null", "{}", [], {}, [[]], [None], {"": 0}, {"a": {"b": []}}, [1, "2", 3.0],
)  # fmt: skip
TOKENS = (
    b"\n", b"\r", b"\t", b"  ", b": ", b"- ", b"{", b"}", b"[", b"]", b"[" * 400, b'{"a":' * 400, b'"', b"'",
    b"|", b">", b"&a ",
    b"*a", b"<<: ", b"!!python/object:os.system ", b"!!binary ", b"? ", b"#", b"%YAML 9.9\n", b"---\n",
    b"...", b"\0", b"\xff",
    b"\xef\xbb\xbf", b"\\ud800", b"\\UFFFFFFFF", b"\\U00110000", b'"\\x"', b"\xc2\x85", b"\xe2\x80\xa8", b"null", b"~",
    b"NaN", b"1e999", b"-1", b"0x",
    b"9" * 5000, b"../", b"/", b"path", b"style", b",", b'""', b"\xf0\x9f\x8e\xa8",
)  # fmt: skip
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_MOST_BYTES = 1 << 20


def odd_value(rng: Random) -> Any:
    """A value that nobody expects, now and then a deep one."""
    value = deepcopy(rng.choice(ODD_VALUES))
    if rng.random() < 0.02:
        for _ in range(rng.choice((50, 300, 900))):
            value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def damaged_value(rng: Random, value: Any) -> Any:
    """A JSON-like value with one place of it replaced, removed, doubled or renamed."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        return _damaged_mapping(rng, dict(value))
    if isinstance(value, list) and value and rng.random() < 0.7:
        items, place = list(value), rng.randrange(len(value))
        new = rng.choice(([], [items[place]] * 2, [damaged_value(rng, items[place])]))
        return [*items[:place], *new, *items[place + 1 :]]
    if isinstance(value, str) and value and rng.random() < 0.5:
        return damaged_bytes(rng, value.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    return odd_value(rng)


def _damaged_mapping(rng: Random, value: dict[str, Any]) -> dict[str, Any]:
    key = rng.choice(list(value))
    match rng.randrange(8):
        case 0:
            del value[key]
        case 1:
            value[str(odd_value(rng))[:5000]] = value.pop(key)
        case 2:
            value[key] = value[rng.choice(list(value))]
        case _:
            value[key] = damaged_value(rng, value[key])
    return value


def damaged_bytes(rng: Random, data: bytes, tokens: Sequence[bytes] = ()) -> bytes:
    """Bytes with one to four places damaged: flipped, cut out, doubled, overwritten; or cut off at an end."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_WAYS)(rng, data, tokens)[:_MOST_BYTES]
    return data


def _flip(rng: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    if not data:
        return data
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def _set(rng: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.randbytes(1) + data[place + 1 :]


def _cut_out(rng: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    first, stop = _slice(rng, data)
    return data[:first] + data[stop:]


def _double(rng: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    first, stop = _slice(rng, data)
    return data[:stop] + data[first:stop] * rng.choice((1, 1, 3)) + data[stop:]


def _move(rng: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    first, stop = _slice(rng, data)
    rest = data[:first] + data[stop:]
    place = rng.randrange(len(rest) + 1)
    return rest[:place] + data[first:stop] + rest[place:]


def _cut_off(rng: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _put_token(rng: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    place = rng.randrange(len(data) + 1)
    token = rng.choice(tokens) if tokens else rng.randbytes(rng.choice((1, 2, 4)))
    return data[:place] + token + data[place + rng.choice((0, len(token))) :]


def _put_number(rng: Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """Overwrites what may be a size or an offset, of either byte order."""
    size, place = rng.choice((1, 2, 4)), rng.randrange(len(data) + 1)
    order: Literal["little", "big"] = "little" if rng.random() < 0.5 else "big"
    coded = (rng.choice(_NUMBERS) % (1 << 8 * size)).to_bytes(size, order)
    return data[:place] + coded + data[place + size :]


_Way = Callable[[Random, bytes, Sequence[bytes]], bytes]
_WAYS: tuple[_Way, ...] = (
    _flip,
    _flip,
    _set,
    _cut_out,
    _double,
    _move,
    _cut_off,
    _put_token,
    _put_token,
    _put_number,
)


def _slice(rng: Random, data: bytes) -> tuple[int, int]:
    first = rng.randrange(len(data) + 1)
    return first, min(len(data), first + rng.choice((1, 2, 4, 16, 64, 1000)))


def json_line(value: Any) -> bytes:
    """A value as one line of JSON; NaN and half a pair of surrogates are written as Python does."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
