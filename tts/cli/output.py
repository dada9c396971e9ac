"""Where one recording made from another goes: what is refused before anything is loaded."""

from __future__ import annotations

import os

from tts.base import files
from tts.base.errors import UsageError


def recording_format(recording: str, output: str, as_json: bool, force: bool, format_: str | None, bitrate) -> str:
    """The format that ``output`` is written in, at 24 kHz; ``-`` is stdin and stdout.

    Raises:
        UsageError: stdout would have JSON too, the recording would be written over, or the format does not fit.
        CannotCreateError: the file cannot be made, or is there and ``force`` is not given.
    """
    from vocoder.audio import io
    from vocoder.audio.frames import SAMPLE_RATE

    if output == "-" and as_json:
        raise UsageError("--output and --json both write to stdout.", where="--json", code="usage.same_output",
                         fix="Give a file with -o.")  # fmt: skip
    format_ = io.format_of(output, format_)
    io.check_coding(format_, SAMPLE_RATE, bitrate)
    if output != "-":
        files.check_writable(output, force)
        if recording != "-" and os.path.exists(output) and os.path.samefile(recording, output):
            raise UsageError("the recording would be written over.", where="--output", code="usage.same_file",
                             fix="Give another file with -o.")  # fmt: skip
    return format_
