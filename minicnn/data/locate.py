"""Find the sheet, its labels and its manifest in a folder."""

from pathlib import Path
from typing import NamedTuple

from ..errors import DataError
from .manifest import Manifest, read_manifest

SAMPLE = Path(__file__).parent / "sample"


class SheetFiles(NamedTuple):
    """The files of one sheet; without a manifest, it and its path are None."""

    images: Path
    labels: Path
    manifest: Manifest | None = None
    manifest_path: Path | None = None


def in_folder(folder: Path) -> SheetFiles:
    """The sheet in `folder`: the files of its manifest, else *images.png and *labels_uint8.

    Raises:
        DataError: no such folder; no sheet or labels; more than one of them.
    """
    if not folder.is_dir():
        received = (
            "a file; give it as images=, and its labels as labels="
            if folder.exists()
            else 'a path that doesn\'t exist (known names: "sample", "mnist", "fashion")'
        )
        raise DataError(f"{folder}: expected a folder that holds a sheet, received {received}")
    try:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: can't be read: {error.strerror or error}") from error
    manifests = {
        path: found
        for path in files
        if path.suffix == ".json" and (found := _manifest(path)) is not None
    }
    if manifests:
        path = _only(folder, "manifest", list(manifests))
        manifest = manifests[path]
        images, labels = folder / manifest.images.name, folder / manifest.labels.name
        for file in (images, labels):
            if not file.is_file():
                raise DataError(f"{folder}: expected {file.name}, which {path.name} describes")
        return SheetFiles(images, labels, manifest, path)
    sheets = [path for path in files if path.name.endswith("images.png")]
    labels_files = [path for path in files if path.name.endswith("labels_uint8")]
    return SheetFiles(
        _only(folder, "sheet (a file *images.png)", sheets),
        _only(folder, "label file (*labels_uint8)", labels_files),
    )


def beside(images: Path, labels: Path) -> SheetFiles:
    """The given sheet and labels, and the manifest beside the sheet if it describes both."""
    if images.name.endswith("_images.png") and images.parent == labels.parent:
        path = images.with_name(images.name.removesuffix("_images.png") + ".json")
        manifest = read_manifest(path) if path.is_file() else None
        if manifest and (manifest.images.name, manifest.labels.name) == (images.name, labels.name):
            return SheetFiles(images, labels, manifest, path)
    return SheetFiles(images, labels)


def _manifest(path: Path) -> Manifest | None:
    """Read a manifest. A damaged JSON file is an error only if a sheet has its name."""
    try:
        return read_manifest(path)
    except DataError:
        if path.with_name(path.stem + "_images.png").exists():
            raise
        return None


def _only(folder: Path, what: str, found: list[Path]) -> Path:
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found[:5])
    received = f"found {len(found)} ({names})" if found else "found none"
    raise DataError(
        f"{folder}: expected one {what}, {received}; python -m minicnn.sprite builds one, or give "
        "the files as images= and labels="
    )
