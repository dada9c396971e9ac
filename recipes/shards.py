"""A data directory as WebDataset: tar files of a thousand utterances, read from end to end by whoever trains.

    shards/train-000000.tar     of each utterance, side by side:
        a-1.flac                  the recording as it is; a stretch of a longer one is cut out
        a-1.json                  id, text, speaker, language, seconds, gender, bandwidth_hz, corpus: what is known
        a-1.ptok                  its token file, where ``tts codec encode --scp`` has made one

Up to its first dot a name is the key of WebDataset, so dots of ids are written %2E. Equal input gives equal bytes.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from recipes.cut import cut
from recipes.datadir import Utterance
from recipes.progress import track
from tts.base import strict_json
from tts.base.errors import NoInputError, TtsError
from tts.base.files import atomic_file
from tts.workers import mapped


@dataclass(frozen=True)
class Shard:
    """One tar file and what goes into it."""

    path: Path
    utterances: tuple[Utterance, ...]
    tokens: tuple[str, ...] = ()  # token files, one an utterance; none when empty

    def members(self) -> list[tuple[str, Path | bytes]]:
        """(name, file or content), in order."""
        found: list[tuple[str, Path | bytes]] = []
        for n, item in enumerate(self.utterances):
            key = item.id.replace(".", "%2E")
            known = {name: value for name, value in asdict(item).items() if name not in ("wav", "span") and value is not None}
            found.append((f"{key}{item.wav.suffix.lower()}", item.wav))
            found.append((f"{key}.json", strict_json.dumps(known, indent=None).encode()))
            if self.tokens:
                found.append((f"{key}.ptok", Path(self.tokens[n])))
        return found


def write_shards(
    utterances: Iterable[Utterance], out, name: str, size: int = 1000, tokens: dict[str, str] | None = None, nj: int = 1,
    ray: str | None = None,
) -> tuple[int, int]:  # fmt: skip
    """Utterances, sorted by id, into ``out/NAME-000000.tar`` and so on; (shards, of them written now).

    A shard that is there and holds the same names and sizes is kept.

    Args:
        size: Utterances a shard.
        tokens: Token file of each utterance.
        nj, ray: Who writes them: ``tts.workers.mapped``.

    Raises:
        NoInputError: A recording is missing, or an utterance has no token file.
    """
    rows, out = cut(utterances, Path(out) / "cut"), Path(out)
    missing = [item.id for item in rows if tokens is not None and item.id not in tokens]
    if missing:
        raise NoInputError(f"{len(missing):,} utterances have no token file, {missing[0]!r} first.", where=out,
                           code="shards.tokens", fix="Encode them: tts codec encode --scp DATA/wav.scp -o TOKENS")  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    parts = [tuple(rows[start : start + size]) for start in range(0, len(rows), size)]
    shards = [
        Shard(out / f"{name}-{n:06d}.tar", part, tuple(tokens[item.id] for item in part) if tokens is not None else ())
        for n, part in enumerate(parts)
    ]
    written = 0
    for outcome in track(mapped(writer, shards, nj, ray), f"shards {name}", len(shards)):
        if isinstance(outcome, TtsError):
            raise outcome
        written += outcome
    return len(shards), written


def writer() -> Callable[[Shard], bool]:
    """``write_shard``, for a worker."""
    return write_shard


def write_shard(shard: Shard) -> bool:
    """Write a shard, whole or not at all; False when it is there already."""
    members = shard.members()
    try:
        sizes = [len(content) if isinstance(content, bytes) else content.stat().st_size for _, content in members]
    except OSError as error:
        raise NoInputError(f"cannot be read: {error.strerror}.", where=error.filename, code="file.unreadable") from error
    if _listed(shard.path) == [(name, size) for (name, _), size in zip(members, sizes, strict=True)]:
        return False
    with atomic_file(shard.path, force=True) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            data = content if isinstance(content, bytes) else content.read_bytes()
            facts = tarfile.TarInfo(name)
            facts.size = len(data)
            tar.addfile(facts, io.BytesIO(data))
    return True


def _listed(path: Path) -> list[tuple[str, int]]:
    try:
        with tarfile.open(path) as tar:
            return [(member.name, member.size) for member in tar]
    except (OSError, tarfile.TarError):
        return []
