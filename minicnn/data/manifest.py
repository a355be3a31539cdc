"""The manifest: a JSON file that describes a sheet and holds the hashes of its files."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..errors import DataError
from ..state_checks import rows, table, text, whole
from .cache import sha256_of

FORMAT = "minicnn-sprite"
VERSION = 1
_MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class FileRecord:
    """Name, size in bytes and SHA-256 of one of the two files."""

    name: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, name: str) -> "FileRecord":
        """The record of a file on disk that is, or will be, called `name`."""
        return cls(name, path.stat().st_size, sha256_of(path))


@dataclass(frozen=True)
class Manifest:
    """Contents of a sheet. The first num_train images are for training."""

    num_images: int
    num_train: int
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    train_counts: tuple[int, ...]
    test_counts: tuple[int, ...]
    images: FileRecord
    labels: FileRecord
    source: str
    built: dict[str, object] = field(default_factory=dict)

    @property
    def preparation(self) -> dict[str, str] | None:
        """The preprocessing of a sheet that `sprite build` made of pictures; None for another
        sheet. See minicnn.pictures.prepare.sheet_like."""
        fit, invert = self.built.get("fit"), self.built.get("invert")
        if fit not in ("pad", "stretch"):
            return None
        return {"fit": str(fit), "invert": str(invert) if invert in ("yes", "no") else "auto"}

    def write(self, path: Path) -> None:
        """Write as JSON; the same manifest gives the same bytes. `path` should be temporary."""
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        path.write_bytes(text.encode())


def read_manifest(path: Path) -> Manifest | None:
    """Read a manifest; None if the file is other JSON.

    Raises:
        DataError: damaged, or of a newer version.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected a JSON manifest, received {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    if content.get("version") != VERSION:
        raise DataError(
            f"{path}: expected manifest version {VERSION}, received {content.get('version')!r}; "
            "update minicnn, or build the sheet again"
        )
    try:
        return _parse(content)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: the manifest is damaged ({type(error).__name__}: {error}); build the sheet "
            "again, or delete the manifest: it is optional"
        ) from error


def _parse(content: dict[str, object]) -> Manifest:
    height, width, channels = _counts(content, "image_shape")
    manifest = Manifest(
        num_images=whole(content, "num_images"),
        num_train=whole(content, "num_train"),
        image_shape=(height, width, 1),
        class_names=tuple(text({"name": name}, "name") for name in rows(content, "class_names")),
        train_counts=_counts(content, "train_counts"),
        test_counts=_counts(content, "test_counts"),
        images=_file_record(table(content, "images")),
        labels=_file_record(table(content, "labels")),
        source=text({"source": "", **content}, "source"),
        built=table({"built": {}, **content}, "built"),
    )
    if channels != 1 or not 0 < manifest.num_train < manifest.num_images:
        raise ValueError("sizes that don't match")
    return manifest


def _file_record(saved: dict[str, object]) -> FileRecord:
    name = text(saved, "name")
    if Path(name).name != name:  # no other folder
        raise ValueError(f"expected a file name, received {name!r}")
    return FileRecord(name, whole(saved, "bytes"), text(saved, "sha256"))


def _counts(content: dict[str, object], name: str) -> tuple[int, ...]:
    return tuple(whole({name: n}, name) for n in rows(content, name))
