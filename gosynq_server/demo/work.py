"""The work itself, pure: bytes in, bytes or figures out."""

from __future__ import annotations

import hashlib
import io
import re
import statistics
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORD = re.compile(rb"[A-Za-z_]{2,}")
_MOST_COMMON = 3


def checksum(data: bytes) -> dict[str, Any]:
    """Give the SHA-256 and the size of some bytes."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def count_words(data: bytes) -> dict[str, Any]:
    """Count lines and words, and name the most common ones."""
    words = Counter(word.decode() for word in _WORD.findall(data))
    most_common = sorted(words, key=lambda word: (-words[word], word))[:_MOST_COMMON]
    return {"lines": data.count(b"\n"), "words": words.total(), "most_common": most_common}


def measure_lines(data: bytes) -> dict[str, Any]:
    """Give figures of the lengths of lines."""
    lengths = [len(line) for line in data.splitlines()] or [0]
    return {"lines": len(lengths), "longest": max(lengths), "mean": round(statistics.fmean(lengths), 2)}


def zip_files(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Make a zip of files, read it back, and say how much smaller it is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with zipfile.ZipFile(buffer) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(f"{broken} did not survive the zip")
    return {"files": len(files), "bytes": sum(map(len, files.values())), "zipped": len(buffer.getvalue())}


def back_up(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Make a compressed tar of files, restore it, and compare."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        restored = {entry.name: opened.read() for entry in archive if (opened := archive.extractfile(entry))}
    if restored != dict(files):
        raise ValueError("what was restored is not what was saved")
    return {"files": len(restored), "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}


def write_report(files: Mapping[str, bytes]) -> str:
    """Write a table of files and their sizes in Markdown, the largest first."""
    rows = sorted(files.items(), key=lambda item: (-len(item[1]), item[0]))
    lines = ["| file | bytes |", "| --- | ---: |", *(f"| {name} | {len(data)} |" for name, data in rows)]
    return "\n".join([*lines, f"| all | {sum(map(len, files.values()))} |"])


def write_mail(to: str, subject: str, body: str) -> bytes:
    """Write a message as it would go over the wire. Raises ValueError for what no header can hold."""
    message = EmailMessage()
    message["From"] = "demo@gosynq.example"
    message["To"] = to
    message["Subject"] = subject
    message.set_content(body)
    return message.as_bytes()


def draw(width: int, height: int) -> list[bytes]:
    """Draw a picture of width x height pixels, one byte of red, green and blue each: its rows."""
    return [
        bytes(value for x in range(width) for value in (x * 255 // width, y * 255 // height, (x ^ y) & 255))
        for y in range(height)
    ]


def shrink(rows: list[bytes], factor: int) -> list[bytes]:
    """Shrink a picture by averaging squares of factor x factor pixels; what is left over at the edges is dropped."""
    width, height = len(rows[0]) // 3 // factor, len(rows) // factor
    return [
        bytes(
            sum(rows[y * factor + dy][(x * factor + dx) * 3 + channel] for dy in range(factor) for dx in range(factor))
            // (factor * factor)
            for x in range(width)
            for channel in range(3)
        )
        for y in range(height)
    ]


def encode_png(rows: list[bytes]) -> bytes:
    """Encode a picture as PNG (RFC 2083): header, one deflated block of unfiltered rows, end."""
    header = struct.pack(">IIBBBBB", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\x00" + row for row in rows))
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
