"""``python -m recipes.evaluate.espeak_process LANGUAGE < text > samples``: the rate as int32, then int16 samples, little-endian.

A process of its own, for `espeak_speech`: the library keeps global state and may abort. Written against
``espeak-ng/speak_lib.h``.
"""

from __future__ import annotations

import ctypes
import sys

AUDIO_OUTPUT_SYNCHRONOUS = 2
CHARS_UTF8 = 1
POS_CHARACTER = 1


def speak(text: bytes, language: str) -> tuple[int, bytes]:
    """Rate in Hz, and the samples; empty where the library refuses."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    if rate <= 0:
        sys.exit("espeak_Initialize failed")
    chunks = []
    callback_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int16), ctypes.c_int, ctypes.c_void_p)

    @callback_type
    def collect(samples, count, events):
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0  # go on

    library.espeak_SetSynthCallback(collect)
    if library.espeak_SetVoiceByName(language.encode()) != 0:
        sys.exit(f"espeak-ng has no voice {language!r}")
    buffer = text + b"\0"
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    if library.espeak_Synth(buffer, len(buffer), 0, POS_CHARACTER, 0, CHARS_UTF8, None, None) != 0:
        sys.exit("espeak_Synth failed")
    library.espeak_Synchronize()
    return rate, b"".join(chunks)


if __name__ == "__main__":
    spoken_rate, spoken_samples = speak(sys.stdin.buffer.read(), sys.argv[1])
    sys.stdout.buffer.write(spoken_rate.to_bytes(4, "little") + spoken_samples)
