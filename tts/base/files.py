"""Files: a write is whole or did not happen; a read is UTF-8 or an error with its byte offset."""

from __future__ import annotations

import errno
import functools
import os
import re
import secrets
import stat
import sys
import time
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path

from tts.base.errors import CannotCreateError, DataError, FileError, NoInputError, ResourceError
from tts.base.limits import LIMITS

_HOST = f"{zlib.crc32(os.uname().nodename.encode()):08x}"  # processes of other machines may share the folder
_PART = re.compile(rf"^\..+\.{_HOST}\.(\d+)\.[0-9a-f]{{8}}\.part$", re.DOTALL)
_STALE_SECONDS = 60.0
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES}


def atomic_write(path: str | Path, data: bytes | str, force: bool = False) -> None:
    """Write ``data`` to ``path``: afterwards the file is complete, or as it was before.

    Args:
        path: A file; a device or FIFO is written to directly (nothing to make atomic there).
        data: Bytes, or text that is written as UTF-8.
        force: Replace an existing file; without it an existing file is never touched, also not in a race.

    Raises:
        CannotCreateError: The file exists and ``force`` is false, or its folder is missing or not writable.
        FileError: Disk full or another device error; the old file is intact.
    """
    with atomic_file(path, force) as file:
        file.write(data.encode("utf-8") if isinstance(data, str) else data)


@contextmanager
def atomic_file(path: str | Path, force: bool = False):
    """A binary file to write in pieces, and read back; published under ``path`` when the block ends, dropped when it raises."""
    check_writable(path, force)
    with _errors_of(path):
        if os.path.exists(path) and not os.path.isfile(path):  # a device or FIFO
            with open(path, "wb", buffering=0) as file:
                yield file
            return
    target = os.path.realpath(path)  # a symlink: write beside what it points to
    folder, name = os.path.split(target)
    _sweep(folder)
    part = os.path.join(folder, f".{name[:200]}.{_HOST}.{os.getpid()}.{secrets.token_hex(4)}.part")
    with _errors_of(path):
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(part, flags, 0o666)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _publish(part, target, force)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(part)
        _sync_folder(folder)


def check_writable(path: str | Path, force: bool = False) -> None:
    """Refuse an output before any work is done for it. The race-free check is still the write itself."""
    text = os.fspath(path)
    if not text or "\0" in text:
        raise CannotCreateError("is not a file name.", where=repr(text), code="file.name", fix="Give a path with -o.")
    try:
        found = os.stat(text)
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        raise _cannot_create(error, path) from error
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise CannotCreateError("is a folder, not a file.", where=path, code="file.is_directory", fix="Add a file name.")
    if found is not None and not stat.S_ISREG(found.st_mode):
        return  # a device or FIFO
    if (found is not None or os.path.islink(text)) and not force:
        raise CannotCreateError(
            "already exists.", where=path, code="file.exists", fix="Choose another name, or pass --force to replace it."
        )
    folder = os.path.dirname(os.path.realpath(text))
    if not os.path.isdir(folder):
        raise CannotCreateError(
            f"its folder {folder} does not exist.", where=path, code="file.no_folder", fix=f"Create it first: mkdir -p {folder}"
        )
    if found is None and not os.access(folder, os.W_OK):
        raise CannotCreateError(
            f"its folder {folder} is not writable.", where=path, code="file.read_only", fix="Choose another folder with -o."
        )


def read_text(path: str | Path, limit: int = LIMITS.text_bytes) -> str:
    """The text of a file, or of standard input for ``-``, as strict UTF-8; a byte order mark is dropped.

    Raises:
        NoInputError: Missing, a folder, or unreadable.
        ResourceError: More than ``limit`` bytes.
        DataError: Not UTF-8; ``pos`` is the offset of the first bad byte.
    """
    where = "<stdin>" if str(path) == "-" else str(path)
    try:
        if where == "<stdin>":
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NoInputError(f"cannot be read: {reason}.", where=where, code="file.unreadable") from error
    if len(data) > limit:
        raise ResourceError(
            f"holds more than {limit:,} bytes of text.",
            where=where,
            code="text.size",
            limit=limit,
            fix="Split it into smaller files.",
        )
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"is not UTF-8 text (byte 0x{data[error.start]:02x}).",
            where=where,
            pos=f"byte {error.start}",
            code="text.utf8",
            fix="Convert it first: iconv -f LATIN1 -t UTF-8",
        ) from error


def _publish(part: str, target: str, force: bool) -> None:
    if force:
        os.replace(part, target)
        return
    try:
        os.link(part, target)  # fails when the target exists, whoever made it in the meantime
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _copy_new(part, target)


def _copy_new(part: str, target: str) -> None:
    """Where hard links are refused: claim the name with O_EXCL, then rename over our own empty file."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    try:
        os.replace(part, target)
    except OSError:
        os.unlink(target)
        raise


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF):  # file systems without fsync on folders
            raise
    finally:
        os.close(descriptor)


@functools.lru_cache(maxsize=1024)
def _sweep(folder: str) -> None:
    """Remove what a killed process of this machine left in this folder; once a folder and process."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            match = _PART.match(entry.name)
            if match and time.time() - entry.stat().st_mtime > _STALE_SECONDS and not _alive(int(match[1])):
                os.unlink(entry.path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


@contextmanager
def _errors_of(path):
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _cannot_create(error, path) from error


def _cannot_create(error: OSError | ValueError, path):
    if isinstance(error, FileExistsError):
        return CannotCreateError(
            "already exists.", where=path, code="file.exists", fix="Choose another name, or pass --force to replace it."
        )
    number = getattr(error, "errno", None)
    reason = getattr(error, "strerror", None) or str(error)
    if number in (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ELOOP,
        None,
    ):
        return CannotCreateError(
            f"cannot be created: {reason}.", where=path, code="file.cannot_create", fix="Choose another path with -o."
        )
    return FileError(
        f"writing failed: {reason}.",
        where=path,
        code="file.io",
        fix="Free some space or choose another disk; the old file is unchanged.",
    )
