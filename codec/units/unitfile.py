"""Unit files (``.units``): the codes of one recording, with what they are codes of.

    write_units("talk.units", codes, UnitFacts.of(extractor))
    codes, facts = read_units("talk.units", expect=UnitFacts.of(extractor))

One safetensors file: tensor ``codes`` int16 [U, G]; the facts are its metadata.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tts.base.errors import DataError, ModelError
from tts.base.limits import LIMITS

KIND = "units"
MAKE_AGAIN = "Make it again: tts units talk.wav -o talk.units"


@dataclass(frozen=True)
class UnitFacts:
    """What codes are codes of; beside every unit file, and beside the store ``units`` of recipes."""

    extractor: str  # its name; a path in it may differ elsewhere
    units_id: str  # hash of the codebooks: this decides
    unit_rate: float  # units a second
    n_groups: int  # G
    n_entries: int  # K

    @classmethod
    def of(cls, extractor) -> UnitFacts:
        """Of a ``codec.units.extractor.UnitExtractor`` with a quantiser."""
        units_id = extractor.units_id  # refuses those without
        n_groups, n_entries, _ = extractor.codebooks.shape
        return cls(extractor.name, units_id, extractor.unit_rate, n_groups, n_entries)

    @classmethod
    def read(cls, given: dict, where) -> UnitFacts:
        """From what a file holds, all as text or as JSON.

        Raises:
            DataError: Something is missing or of no sense.
        """
        try:
            facts = cls(str(given["extractor"]), str(given["units_id"]), float(given["unit_rate"]), int(given["n_groups"]),
                        int(given["n_entries"]))  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise _bad("does not say what its codes are of.", where, "facts") from error
        if not (0 < facts.unit_rate < LIMITS.max_sample_rate and facts.n_groups > 0 and 0 < facts.n_entries <= 1 << 15):
            raise _bad(f"says nonsense of its codes: {facts}.", where, "facts")
        return facts

    def expect(self, other: UnitFacts, where) -> None:
        """Refuse ``other``, the facts of ``where``, when its codes are of other codebooks.

        Raises:
            DataError: They are.
        """
        if (self.units_id, self.n_groups, self.n_entries) != (other.units_id, other.n_groups, other.n_entries):
            raise _bad(f"its units are of {other.extractor} ({other.units_id}), those of {self.extractor} ({self.units_id}) are "
                       "needed.", where, "extractor")  # fmt: skip

    def check(self, codes: np.ndarray, where) -> np.ndarray:
        """Codes as int16 [U, G].

        Raises:
            DataError: No codes at all, another shape, no integers, or a code outside of the codebook.
        """
        codes = np.asarray(codes)
        if codes.ndim != 2 or codes.shape[1] != self.n_groups or codes.dtype.kind not in "iu":
            raise _bad(f"its codes are {codes.dtype} of shape {list(codes.shape)}, [units, {self.n_groups}] integers are "
                       "needed.", where, "shape")  # fmt: skip
        if not len(codes):
            raise _bad("holds no units.", where, "empty")
        outside = np.argwhere((codes < 0) | (codes >= self.n_entries))
        if len(outside):
            unit, group = outside[0]
            raise _bad(f"code {codes[unit, group]} of group {group} is outside of the codebook, 0 to {self.n_entries - 1}.",
                       where, "code", pos=f"unit {unit}")  # fmt: skip
        return codes.astype(np.int16)


def write_units(path, codes, facts: UnitFacts, force: bool = False) -> None:
    """Write the codes [U, G] of one recording.

    Raises:
        DataError: As ``UnitFacts.check``.
        CannotCreateError: The file exists and ``force`` is false, or its folder is missing.
    """
    import torch

    from vocoder.nn.checkpoint import write_tensors

    stored = torch.from_numpy(facts.check(codes, path))
    write_tensors(path, {"codes": stored}, {"kind": KIND, **{name: str(fact) for name, fact in asdict(facts).items()}}, force)


def read_units(path, expect: UnitFacts | None = None) -> tuple[np.ndarray, UnitFacts]:
    """(codes int16 [U, G], facts) of a unit file.

    Args:
        expect: The extractor that the codes must be of.

    Raises:
        NoInputError: It is missing or unreadable.
        DataError: Empty, damaged, no unit file, of another extractor, of another shape, or a code outside of the codebook.
    """
    from vocoder.nn.checkpoint import read_tensors

    path = Path(path)
    if path.is_file() and path.stat().st_size == 0:
        raise _bad("is empty.", path, "empty")
    try:
        given, tensors = read_tensors(path)
    except ModelError as error:
        raise _bad(f"is no sound unit file: {error.what}", path, "file") from error
    if given.get("kind") != KIND or set(tensors) != {"codes"}:
        raise _bad("is no unit file.", path, "kind")
    facts = UnitFacts.read(given, path)
    if expect is not None:
        expect.expect(facts, path)
    return facts.check(tensors["codes"].numpy(), path), facts


def _bad(what: str, where, code: str, pos=None) -> DataError:
    return DataError(what, where=where, pos=pos, code=f"units.{code}", fix=MAKE_AGAIN)
