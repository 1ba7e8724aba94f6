"""Magic number, framing of chunks with checksums, and metadata chunks."""

from __future__ import annotations

import zlib
from types import MappingProxyType

from bitstream import varint
from bitstream.errors import FormatError, LimitError

MAGIC = bytes.fromhex("8f434c470d0a1a0a")
VERSION = 1
CRC_BYTES = 4
MAX_METADATA = 2**26

METADATA_TYPES = MappingProxyType({"icc": b"i", "exif": b"e", "xmp": b"x", "geo": b"g"})
"""Type byte of the chunk of each kind of metadata."""

_RAW, _ZLIB = 0, 1

_OTHER_FORMATS = (
    (b"\x89PNG", "a PNG file"),
    (b"\xff\xd8\xff", "a JPEG file"),
    (b"GIF8", "a GIF file"),
    (b"BM", "a BMP file"),
    (b"II*\x00", "a TIFF file"),
    (b"MM\x00*", "a TIFF file"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 codestream"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file: unpack it first"),
)
_MANGLED = (
    (b"\x8fCLG\x0a\x1a\x0a", "its line ends were converted (CR LF to LF)"),
    (b"\x8fCLG\x0d\x0d\x0a", "its line ends were converted (LF to CR LF)"),
    (b"\x8fCLG\x0d\x1a\x0d", "its line ends were converted (LF to CR)"),
    (b"\x8fCLG\x0d\x0a\x1a\x0d\x0a", "its line ends were converted (LF to CR LF)"),
    (b"\x0fCLG", "its bytes were cut to 7 bits"),
    (b"\xc2\x8fCLG", "its bytes were re-encoded as text"),
    (b"\xef\xbf\xbdCLG", "its bytes were re-encoded as text"),
)


def probe(prefix: bytes) -> bool:
    """Return whether `prefix`, at least the first 8 bytes of a file, is the start of a `.clg` file."""
    return bytes(prefix[: len(MAGIC)]) == MAGIC


def check_signature(data: memoryview) -> int:
    """Check magic and version; return the offset of the first chunk.

    Raises FormatError for any other file; the message names the format that the file resembles.
    """
    start = bytes(data[:16])
    if not start:
        raise FormatError("there are no bytes: the file is empty")
    if not probe(start):
        raise FormatError(_describe_wrong_magic(start))
    if len(start) == len(MAGIC):
        raise FormatError("the file ends after its magic number: it is truncated")
    version = start[len(MAGIC)]
    if version > VERSION:
        raise FormatError(f"the file needs format version {version}, this is {VERSION}: upgrade collagecodec")
    if version < VERSION:
        raise FormatError(f"there is no format version {version}: the file is damaged")
    return len(MAGIC) + 1


def _describe_wrong_magic(start: bytes) -> str:
    for magic, damage in _MANGLED:
        if start.startswith(magic):
            return f"the .clg file was damaged on the way, {damage}; copy it again in binary mode"
    if MAGIC.startswith(start):
        return f"the file ends after {len(start)} bytes, inside its magic number: it is truncated"
    for magic, name in _OTHER_FORMATS:
        if start.startswith(magic):
            return f"this is not a .clg file, it looks like {name}"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "this is not a .clg file, it looks like a WebP file"
    if start[4:8] == b"ftyp":
        return "this is not a .clg file, it looks like an AVIF, HEIF or MP4 file"
    return f"this is not a .clg file: it begins with {start[:8].hex(' ')} instead of {MAGIC.hex(' ')}"


def chunk_head(kind: bytes, length: int) -> bytes:
    """Return the type byte and the payload length of a chunk."""
    return kind + varint.pack(length)


def checksum(head: bytes | memoryview, payload: bytes | memoryview) -> bytes:
    """Return the CRC-32 of type, length and payload: 4 bytes, little endian."""
    return zlib.crc32(payload, zlib.crc32(head)).to_bytes(CRC_BYTES, "little")


def pack_chunk(kind: bytes, payload: bytes) -> bytes:
    """Return a whole chunk: type, length, payload, CRC-32."""
    head = chunk_head(kind, len(payload))
    return b"".join((head, payload, checksum(head, payload)))


def unpack_chunk(data: memoryview, offset: int, what: str) -> tuple[bytes, memoryview, int]:
    """Read the chunk at `offset`; return its type byte, its payload and the offset after it.

    `what` names the chunk in messages. Raises FormatError on truncation, bad checksums and types that are not
    letters.
    """
    if offset >= len(data):
        raise FormatError(f"the file ends where {what} belongs: it is truncated")
    length, start = varint.unpack(data, offset + 1)
    end = start + length + CRC_BYTES
    if end > len(data):
        raise FormatError(
            f"{what} at byte {offset} needs {end - offset} bytes and {len(data) - offset} are left: "
            "the file is truncated or damaged"
        )
    payload = data[start : start + length]
    if checksum(data[offset:start], payload) != data[end - CRC_BYTES : end]:
        raise FormatError(f"the checksum of {what} at byte {offset} is wrong: the file is damaged")
    kind = bytes(data[offset : offset + 1])
    if not kind.isalpha():
        raise FormatError(f"the chunk type 0x{kind.hex()} at byte {offset} is not a letter: the file is damaged")
    return kind, payload, end


def pack_metadata(value: bytes) -> bytes:
    """Return the payload of a metadata chunk: a method byte and the bytes, deflated where that is smaller."""
    deflated = zlib.compress(value, 9)
    if len(deflated) < len(value):
        return bytes((_ZLIB,)) + deflated
    return bytes((_RAW,)) + value


def unpack_metadata(payload: memoryview, limit: int, name: str) -> bytes:
    """Return the bytes of a metadata chunk; never inflates more than `limit` + 1 bytes.

    Raises LimitError beyond `limit` bytes, FormatError on an unknown method or damaged data.
    """
    if not len(payload):
        raise FormatError(f"the {name} metadata have no method byte: the file is damaged")
    method, body = payload[0], payload[1:]
    too_large = LimitError(
        f"the {name} metadata take more than the {limit} bytes that are left for metadata; raise max_metadata"
    )
    if method == _RAW:
        if len(body) > limit:
            raise too_large
        return bytes(body)
    if method != _ZLIB:
        raise FormatError(
            f"the {name} metadata use method {method}, unknown to this version: upgrade collagecodec"
        )
    inflater = zlib.decompressobj()
    try:
        value = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise FormatError(f"the {name} metadata cannot be inflated ({error}): the file is damaged") from error
    if len(value) > limit:
        raise too_large
    if not inflater.eof or inflater.unused_data:
        raise FormatError(f"the {name} metadata do not end where they should: the file is damaged")
    return value
