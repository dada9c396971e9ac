"""Model folders: ``model.safetensors``, ``config.json``, ``card.md``. The one way weights enter and leave the package.

A folder beside another may leave tensors to it that both have, bit for bit: ``shares.json`` names them. Its hash is that of the
whole all the same.

Nothing here unpickles or runs code from a file. A folder is refused by name when a hash, version, kind, tensor
or value is wrong; half a folder (a crash while saving) is refused by its hash, because ``config.json`` comes last.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tts.base import strict_json
from tts.base.errors import DataError, ModelError, NoInputError, ResourceError
from tts.base.files import atomic_write
from tts.base.limits import LIMITS

if TYPE_CHECKING:
    import torch

FORMAT_VERSION = 1
WEIGHTS, CONFIG, CARD, SHARES = "model.safetensors", "config.json", "card.md", "shares.json"
_NAME = re.compile(r"[A-Za-z0-9_.]{1,128}")
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DTYPES = {"F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"}


def save_model(folder: str | Path, tensors: dict[str, torch.Tensor], config: dict, card: str, dtype: str = "float16") -> dict:
    """Write a model folder; an existing model there is replaced.

    Args:
        folder: Made when missing.
        tensors: Name -> tensor; floating ones are stored as ``dtype``, others as they are.
        config: Needs ``kind`` (``aligner``, ``acoustic``, ``vocoder`` ...); everything else is the caller's.
        card: Text of card.md: what it is, data, licence, figures.
        dtype: ``float16``, ``bfloat16`` or ``float32``.

    Returns:
        The config as written: with ``format_version``, ``files`` (sha256, bytes) and ``model_id``.
    """
    import torch

    folder = Path(folder)
    if not isinstance(config.get("kind"), str):
        raise ModelError("a config names its kind.", where=folder, code="model.kind")
    kept = getattr(torch, dtype)
    stored = {
        name: (t.detach().to("cpu", kept) if t.is_floating_point() else t.detach().cpu()).contiguous().clone()
        for name, t in tensors.items()
    }
    _check_values(stored, str(folder / WEIGHTS), LIMITS.weight_magnitude)
    data = _serialise(stored, {"kind": config["kind"]})
    written = {key: value for key, value in config.items() if key not in ("format_version", "files", "model_id")}
    written = {
        "kind": written.pop("kind"),
        "format_version": FORMAT_VERSION,
        **written,
        "files": {WEIGHTS: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}},
    }
    written["model_id"] = _model_id(written)
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / WEIGHTS, data, force=True)
    (folder / SHARES).unlink(missing_ok=True)
    atomic_write(folder / CARD, card if card.endswith("\n") else card + "\n", force=True)
    atomic_write(folder / CONFIG, strict_json.dumps(written) + "\n", force=True)
    return written


def load_config(folder: str | Path, expect_kind: str | None = None) -> dict:
    """The checked config of a model folder, without its weights (and without torch).

    Raises:
        ModelError: Missing, damaged, of another kind, or made by a newer version.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise ModelError(
            f"no model here: {CONFIG} is missing.",
            where=folder,
            code="model.missing",
            fix="Give a folder with config.json and model.safetensors, or reinstall parlance-tts.",
        )
    try:
        config = strict_json.load(path)
    except DataError as error:
        raise ModelError(
            f"damaged: {error.what}", where=path, pos=error.pos, code="model.config", fix="Copy the model again."
        ) from error
    version = config.get("format_version") if isinstance(config, dict) else None
    if type(version) is not int or version < 1:
        raise ModelError("not a parlance model: no format_version.", where=path, code="model.config")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"has format {version}; this version reads up to {FORMAT_VERSION}.",
            where=path,
            code="model.newer",
            fix="Upgrade: pip install -U parlance-tts",
        )
    if expect_kind is not None and config.get("kind") != expect_kind:
        raise ModelError(
            f"is a model of kind {config.get('kind')!r}, {expect_kind!r} is needed here.", where=folder, code="model.kind"
        )
    if config.get("model_id") != _model_id(config):
        raise ModelError(
            "was changed after it was saved: its model_id does not fit its content.",
            where=path,
            code="model.config_hash",
            fix="Copy the model again, or save it anew with save_model.",
        )
    return config


def load_model(folder: str | Path, expect_kind: str | None = None) -> tuple[dict, dict[str, torch.Tensor]]:
    """Config and weights of a model folder, every check passed.

    Returns:
        (config, tensors): floating tensors as float32. Give them to ``load_into``, which checks the exact set.

    Raises:
        ModelError: Anything wrong with the folder: missing, damaged, foreign, newer.
    """
    config, data = _read_verified(folder, expect_kind)
    return config, _deserialise(data, str(Path(folder) / WEIGHTS), LIMITS.weight_magnitude)[1]


def verify_model(folder: str | Path) -> dict:
    """The config of a model folder whose hashes hold; without torch. Raises ModelError as ``load_model``."""
    return _read_verified(folder, None)[0]


def share_tensors(folder: str | Path, name: str) -> int:
    """Leave the tensors of a model folder that the folder ``name`` beside it has as well to that one; returns how many.

    Raises:
        ModelError: One of them is damaged.
    """
    from safetensors.numpy import load, save

    folder = Path(folder)
    config, data = _read_verified(folder, None)
    own, theirs = load(data), load(_read_verified(folder.parent / name, None)[1])
    equal = [key for key, value in own.items() if key in theirs and _same(value, theirs[key])]
    equal = equal[: len(own) - 1]  # a file has tensors
    atomic_write(folder / SHARES, strict_json.dumps({"from": name, "tensors": sorted(equal)}) + "\n", force=True)
    rest = save({key: value for key, value in sorted(own.items()) if key not in set(equal)}, {"kind": config["kind"]})
    atomic_write(folder / WEIGHTS, rest, force=True)
    return len(equal)


def build(model_class, config):
    """``model_class(config)`` without moving torch's global generator: its random values are overwritten anyway."""
    import torch

    with torch.random.fork_rng(devices=[]):
        return model_class(config)


def load_into(module: torch.nn.Module, tensors: dict[str, torch.Tensor], where: str = WEIGHTS) -> None:
    """Copy ``tensors`` into ``module``: exactly its state, nothing missing, nothing over, every shape equal.

    Raises:
        ModelError: Says how many tensors are missing, unknown or of another shape, with the first of each.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in tensors]
    unknown = [name for name in tensors if name not in own]
    reshaped = [name for name in own if name in tensors and own[name].shape != tensors[name].shape]
    faults = []
    if missing:
        faults.append(f"{_count(missing, 'tensor')} missing (first: {missing[0]})")
    if unknown:
        faults.append(f"{_count(unknown, 'tensor')} unknown (first: {unknown[0]})")
    if reshaped:
        name = reshaped[0]
        faults.append(
            f"{len(reshaped)} with a different shape: {name} is {list(tensors[name].shape)} in the file, "
            f"{list(own[name].shape)} in the model"
        )
    if faults:
        raise ModelError(
            f"does not fit config.json: {', '.join(faults)}.",
            where=where,
            code="model.tensors",
            fix="Was the model or its phone inventory changed after training?",
        )
    module.load_state_dict(tensors)


def write_tensors(path: str | Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str], force: bool = False) -> None:
    """One safetensors file (a voice, a training state), written atomically."""
    atomic_write(path, encode_tensors(tensors, metadata), force)


def encode_tensors(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    """The bytes of one safetensors file."""
    return _serialise({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, metadata)


def read_tensors(path: str | Path, max_bytes: int = LIMITS.model_bytes) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """(metadata, tensors) of one safetensors file, checked as in ``load_model`` but for hash and magnitude.

    Floating tensors come as float32, all finite.

    Raises:
        NoInputError: The file is missing or unreadable.
        ModelError: It is not a sound file.
        ResourceError: It is larger than ``max_bytes``.
    """
    return _deserialise(_read(Path(path), max_bytes), str(path), float("inf"))


def read_metadata(path: str | Path) -> dict[str, str]:
    """Metadata of one safetensors file, from its checked header alone; without torch. Errors as ``read_tensors``."""
    with _opened(Path(path)) as file:
        start = file.read(8)
        header = file.read(min(int.from_bytes(start, "little"), LIMITS.model_header_bytes + 1))
    return _check_header(start + header, str(path))


def _read_verified(folder: str | Path, expect_kind: str | None) -> tuple[dict, bytes]:
    config = load_config(folder, expect_kind)
    path = Path(folder) / WEIGHTS
    try:
        data = _read(path, LIMITS.model_bytes)
    except NoInputError as error:
        raise ModelError(
            f"half a model: {error.what}", where=path, code="model.missing", fix="Copy the model folder again."
        ) from error
    if (Path(folder) / SHARES).is_file():
        data = _completed(Path(folder), data)
    files = config.get("files")
    entry = files.get(WEIGHTS) if isinstance(files, dict) else None
    if not isinstance(entry, dict) or hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise ModelError(
            f"does not match the sha256 in {CONFIG}: damaged, half saved, or from another model.",
            where=path,
            code="model.hash",
            fix="Copy the model folder again.",
        )
    return config, data


def _completed(folder: Path, data: bytes) -> bytes:
    """The whole file of a model that leaves some of its tensors to a folder beside it."""
    from safetensors import SafetensorError
    from safetensors.numpy import load, save

    place = folder / SHARES
    try:
        document = strict_json.load(place)
        name, shared = str(document["from"]), [str(each) for each in document["tensors"]]
        if not _FOLDER.fullmatch(name) or (folder.parent / name / SHARES).exists():
            raise ModelError(f"{name!r:.80} is no whole model beside it.", where=place, code="model.shares")
        theirs, metadata = load(_read_verified(folder.parent / name, None)[1]), _check_header(data, str(folder / WEIGHTS))
        whole = {key: theirs[key] for key in shared} | load(data)
    except (KeyError, TypeError, ValueError, SafetensorError, DataError) as error:
        raise ModelError(f"the tensors that it leaves to another folder cannot be read: {str(error)[:200]}.", where=place,
                         code="model.shares", fix="Copy both folders again, side by side.") from error  # fmt: skip
    return save(dict(sorted(whole.items())), metadata)


def _same(one, other) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def _serialise(tensors: dict, metadata: dict[str, str]) -> bytes:
    from safetensors.torch import save

    return save(dict(sorted(tensors.items())), metadata)


@contextmanager
def _opened(path: Path):
    try:
        with open(path, "rb") as file:
            yield file
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NoInputError(
            f"cannot be read: {reason}.", where=path, code="model.unreadable", fix="Check the path and its permissions."
        ) from error


def _read(path: Path, max_bytes: int) -> bytes:
    with _opened(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ResourceError(f"larger than {max_bytes:,} bytes.", where=path, code="model.size", limit=max_bytes)
    return data


def _deserialise(data: bytes, where: str, magnitude: float) -> tuple[dict[str, str], dict]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    metadata = _check_header(data, where)
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"not a sound safetensors file: {error}.", where=where, code="model.safetensors", fix="Copy the file again."
        ) from error
    _check_values(tensors, where, magnitude)
    return metadata, {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


def _check_header(data: bytes, where: str) -> dict[str, str]:
    """What the reference reader accepts and we do not: huge or doubled headers, odd names, dtypes and ranks."""

    def bad(what, code):
        return ModelError(what, where=where, code=f"model.header.{code}", fix="Copy the file again.")

    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(LIMITS.model_header_bytes, len(data) - 8):
        raise bad(f"not a safetensors file (a header of {length:,} bytes in {len(data):,}).", "size")
    if data[8:9] != b"{":
        raise bad("not a safetensors file (the header does not begin with '{').", "json")
    try:
        header = strict_json.loads(data[8 : 8 + length].rstrip(b" "), where)
    except DataError as error:
        raise bad(f"damaged header: {error.what}", "json") from error
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise bad("metadata is not text.", "metadata")
    if not 1 <= len(header) <= LIMITS.model_tensors:
        raise bad(f"{len(header):,} tensors; 1 to {LIMITS.model_tensors:,} are read.", "count")
    for name, entry in header.items():
        if not _NAME.fullmatch(name):
            raise bad(f"tensor name {name!r:.80} is not allowed.", "name")
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if not isinstance(shape, list) or len(shape) > LIMITS.model_rank or any(type(n) is not int or n < 1 for n in shape):
            raise bad(f"tensor {name} has no sound shape.", "shape")
        if entry.get("dtype") not in _DTYPES:
            raise bad(f"tensor {name} has dtype {entry.get('dtype')!r}.", "dtype")
    return metadata


def _check_values(tensors: dict, where: str, magnitude: float) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.numel():
            peak = float(tensor.float().abs().max())
            if not peak <= magnitude or peak == float("inf"):
                raise ModelError(
                    f"tensor {name} holds {peak:g}; weights are finite and at most {magnitude:g}.",
                    where=where,
                    code="model.values",
                    fix="Use another checkpoint: this training diverged.",
                )


def _model_id(config: dict) -> str:
    content = {key: value for key, value in config.items() if key != "model_id"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _count(items: list, noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
