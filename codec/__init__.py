"""Speech as codec tokens: ``Codes`` and the token file, without torch; quantisers in ``codec.quantize``,
the model in ``codec.model``, trained weights in ``codec/assets``, the commands ``tts codec`` in ``tts.cli.codec``.

    >>> from codec import Codec
    >>> codes = Codec.load().encode("talk.wav")
    >>> codes.codes.shape, codes.seconds, codes.kbps
    ((8, 150), 2.0, 6.0)
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "Block": "codec.tokenfile",
    "Codec": "codec.api",
    "Codes": "codec.codes",
    "Gap": "codec.tokenfile",
    "TokenHeader": "codec.tokenheader",
    "TokenReader": "codec.tokenfile",
    "TokenWriter": "codec.tokenfile",
    "drop_books": "codec.tokenfile",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'codec' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
