"""Images in one folder for each class: ``data="folder:photos"``.

    photos/cat/1.jpg  photos/cat/2.jpg  photos/dog/1.jpg            a folder for each class
    photos/train/cat/1.jpg  photos/test/cat/1.jpg                   the same, in two parts

The notation takes options: ``"folder:photos?size=96"`` for images of 96×96 pixels, ``size=64x128``
for height × width, ``channels=1`` for grey and ``channels=3`` for colour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paceline.core import InvalidInput, MissingData, did_you_mean
from paceline.data.row_sources import RowSource
from paceline.data.source_registry import DataRequest, register_source
from paceline.data.trees import Array
from paceline.data.wrong_forms import IMAGES, no_image_folder

_EXPECTED = "a folder that has a folder of images for each class"
_NUM_WORKERS = 4  # threads that decode images
_NUM_MEASURED = 1000  # images whose sizes decide the common one
_OPTIONS = ("size", "channels")


@dataclass(frozen=True, slots=True)
class _Form:
    """The common form of images: height, width and channels; None to find out."""

    height: int | None = None
    width: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class _Images:
    """Files of images and the number of the class of each."""

    files: tuple[Path, ...]
    labels: Array


@register_source("folder")
def image_folder(request: DataRequest) -> RowSource:
    """The images of a folder, uint8 ``(rows, height, width, channels)``, and their classes.

    Raises:
        MissingData: there is no such folder.
        InvalidInput: options that are not known, no images, or Pillow is not installed.
    """
    _check_pillow()
    path, form = _parsed(request)
    train, test = path / "train", path / "test"
    if not train.is_dir():
        train, test = path, path / "no test folder"
    names = tuple(sorted(one.name for one in train.iterdir() if _is_class(one)))
    if len(names) < 2:
        raise no_image_folder(train, _EXPECTED, len(names))
    images, notes = _images(train, names), []
    form, note = _common_form(images.files, form)
    others = [one.name for one in sorted(path.iterdir()) if one.is_dir() and one != test]
    if train != path and (unused := [name for name in others if name != train.name]):
        notes.append(
            f"Folders of {path.name} that are not used: {', '.join(unused)}. Training and "
            "validation part are drawn from 'train'."
        )
    source = _source(path.name, images, form)
    held_out = _source(path.name, _images(test, names), form) if test.is_dir() else None
    return RowSource(
        source.name,
        source.num_rows,
        source.take,
        source.labels,
        target_name="class",
        class_names=names,
        has_pixels=True,
        notes=(note, *notes),
        num_workers=_NUM_WORKERS,
        test=held_out,
        from_file=True,
    )


def absolute(source: str) -> str:
    """The notation of a folder with its absolute path; other texts unchanged."""
    name, colon, argument = source.partition(":")
    if name != "folder" or not colon:
        return source
    path, mark, options = argument.partition("?")
    return f"{name}:{Path(path).expanduser().resolve()}{mark}{options}"


def _check_pillow() -> None:
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise InvalidInput(
            "data is a folder of images and Pillow is not installed",
            expected="Pillow",
            fix="Install it with: pip install 'paceline[images]'",
        ) from error


def _parsed(request: DataRequest) -> tuple[Path, _Form]:
    """The folder and the form of its images, of a text such as ``faces?size=64``."""
    text, _, options = request.argument.partition("?")
    path = Path(text).expanduser()
    if not path.is_dir() and request.data_dir is not None:
        path = Path(request.data_dir).expanduser() / text
    if path.is_file():
        raise no_image_folder(path, _EXPECTED)
    if not text or not path.is_dir():
        raise MissingData(f"{text or 'folder:'} is not a folder", expected=_EXPECTED)
    form = _Form()
    for option in options.split("&") if options else ():
        name, _, value = option.partition("=")
        if name not in _OPTIONS:
            raise InvalidInput(
                f"the folder has the option {option!r}",
                expected="size=64, size=64x128 (height x width), channels=1 or channels=3",
                fix=did_you_mean(name, _OPTIONS),
            )
        form = _with_option(form, name, value)
    return path, form


def _with_option(form: _Form, name: str, value: str) -> _Form:
    numbers = value.lower().split("x")
    are_whole = all(number.isdigit() and int(number) > 0 for number in numbers)
    if name == "channels" and value in ("1", "3"):
        return _Form(form.height, form.width, int(value))
    if name == "size" and are_whole and len(numbers) <= 2:
        return _Form(int(numbers[0]), int(numbers[-1]), form.channels)
    raise InvalidInput(
        f"{name} of the folder is {value!r}",
        expected="1 or 3" if name == "channels" else "64, or 64x128 for height x width",
    )


def _is_class(place: Path) -> bool:
    return place.is_dir() and not place.name.startswith(".") and any(_files(place))


def _files(place: Path) -> list[Path]:
    return sorted(
        file for file in place.rglob("*") if file.suffix.lower() in IMAGES and file.is_file()
    )


def _images(place: Path, names: Sequence[str]) -> _Images:
    """The images of a part.

    Raises:
        InvalidInput: a class that the training part does not have, or no images.
    """
    found = [one.name for one in sorted(place.iterdir()) if _is_class(one)]
    if unknown := [name for name in found if name not in names]:
        raise InvalidInput(
            f"{place} has the class {unknown[0]!r}", expected=f"classes among {', '.join(names)}"
        )
    files = [(file, names.index(name)) for name in found for file in _files(place / name)]
    if not files:
        raise InvalidInput(f"{place} has no images", expected=_EXPECTED)
    return _Images(tuple(file for file, _ in files), np.asarray([label for _, label in files]))


def _common_form(files: Sequence[Path], asked: _Form) -> tuple[_Form, str]:
    """The form of all images, and a note about it: by default the median of their sizes."""
    from PIL import Image

    step = max(1, math.ceil(len(files) / _NUM_MEASURED))
    sizes, modes = [], set()
    for file in files[::step]:
        with _opened(file, is_loaded=False) as image:
            sizes.append((image.height, image.width))
            modes.add(Image.getmodebase(image.mode))
    height, width = (round(float(median)) for median in np.median(np.asarray(sizes), axis=0))
    form = _Form(
        asked.height or height, asked.width or width, asked.channels or (1 if modes == {"L"} else 3)
    )
    differ = len(set(sizes)) > 1 or (form.height, form.width) != sizes[0]
    why = ""
    if differ:
        why = " as asked for" if asked.height else ", the median of their sizes; choose with ?size="
    note = (
        f"Images are {form.height}×{form.width} pixels with {form.channels} "
        f"channel{'s' if form.channels != 1 else ''}"
        + (f"; others are resized{why}." if differ else ".")
    )
    return form, note


def _source(name: str, images: _Images, form: _Form) -> RowSource:
    def take(rows: Array) -> tuple[Array, Array]:
        return np.stack([_pixels(images.files[row], form) for row in rows]), images.labels[rows]

    return RowSource(f"folder {name}", len(images.files), take, images.labels, has_pixels=True)


def _pixels(file: Path, form: _Form) -> Array:
    from PIL import Image

    with _opened(file) as image:
        converted = image.convert("L" if form.channels == 1 else "RGB")
        size = (form.width or image.width, form.height or image.height)
        if converted.size != size:
            converted = converted.resize(size, Image.Resampling.BILINEAR)
        pixels = np.asarray(converted, np.uint8)
    return pixels[..., np.newaxis] if form.channels == 1 else pixels


def _opened(file: Path, is_loaded: bool = True) -> Any:
    """An image file; its pixels are decoded only if it ``is_loaded``.

    Raises:
        InvalidInput: it is damaged.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(file)
        if is_loaded:
            image.load()
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise InvalidInput(
            f"{file} cannot be read as an image ({error})",
            expected="a complete image file",
            fix="Remove it, or replace it.",
        ) from error
    return image
