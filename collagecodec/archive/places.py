"""Folders and buckets: listing, reading and writing whole objects, through obstore.

obstore writes an object atomically, in folders too, and needs no other library for S3, Google Cloud and Azure;
fsspec would need one for each.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from collagecodec.errors import MissingLibraryError

REMEDY = "pip install 'collagecodec[archive]'"


@contextmanager
def _os_errors(place: str) -> Iterator[None]:
    """Turn errors of obstore, which span many lines, into an OSError of one."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError:
        raise  # this says what is missing
    except (BaseError, OSError) as error:
        text = str(error)
        inner = re.findall(r'message: "([^"]+)"', text)
        raise OSError(f"{place}: {inner[-1] if inner else text.splitlines()[0]}") from error


@dataclass(frozen=True)
class Object:
    """An object of a place: its key (a path with slashes), its size in bytes, and a mark that changes with it."""

    key: str
    size: int
    mark: str


@dataclass(frozen=True)
class Place:
    """A folder, or an address such as `s3://bucket/prefix`; `options` go to obstore (endpoint, credentials).

    Places are small values that can be sent to other processes. Raises MissingLibraryError without obstore, and
    OSError where reading or writing fails.
    """

    address: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def remote(self) -> bool:
        """Whether the place is not a folder of this machine."""
        return "://" in self.address

    def _store(self, *, create: bool = False) -> Any:
        try:
            from obstore.store import LocalStore, from_url
        except ImportError as error:
            raise MissingLibraryError(f"archives need obstore ({error}): {REMEDY}") from error
        if self.remote:
            return from_url(self.address, **self.options)
        if not create and not Path(self.address).is_dir():
            raise FileNotFoundError(f"there is no folder {self.address}")
        return LocalStore(Path(self.address).resolve(), mkdir=create)

    def objects(self, below: str = "") -> list[Object]:
        """Return the objects below the folder `below`, by key; none if the place does not exist."""
        import obstore

        if not self.remote and not Path(self.address).is_dir():
            return []
        with _os_errors(self.address):
            found = [
                Object(entry["path"], entry["size"], str(entry.get("e_tag") or entry["last_modified"]))
                for entries in obstore.list(self._store(), prefix=below or None)
                for entry in entries
            ]
        return sorted(found, key=lambda entry: entry.key)

    def read(self, key: str) -> bytes:
        """Return the content of an object."""
        import obstore

        with _os_errors(self.link(key)):
            return bytes(obstore.get(self._store(), key).bytes())

    def write(self, key: str, content: bytes) -> None:
        """Put an object in its place, whole or not at all; one that exists is replaced."""
        import obstore

        with _os_errors(self.link(key)):
            obstore.put(self._store(create=True), key, content)

    def link(self, key: str) -> str:
        """Return the address of an object."""
        if self.remote:
            return f"{self.address.rstrip('/')}/{key}"
        return str(Path(self.address).resolve() / key)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """Yield the path of an object for reading: its own in a folder, that of a copy otherwise."""
        if not self.remote:
            yield Path(self.address) / key
            return
        with TemporaryDirectory(prefix="collage-") as folder:
            path = Path(folder) / Path(key).name
            path.write_bytes(self.read(key))
            yield path

    def holds(self, other: Place) -> bool:
        """Return whether `other` is this place or lies inside it."""
        if self.remote or other.remote:
            return self.remote == other.remote and f"{other.address}/".startswith(f"{self.address.rstrip('/')}/")
        own, others = (os.path.realpath(place.address) for place in (self, other))
        return os.path.commonpath([own, others]) == own
