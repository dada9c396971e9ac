"""``tts codec``: sound to tokens and back; one file a subcommand, loaded when it is called."""

from __future__ import annotations

import click

from tts.cli import LazyGroup

COMMANDS = {
    "encode": "Encode audio into token files.",
    "decode": "Decode token files into audio.",
    "info": "Say what token files hold, and whether they are whole.",
    "trim": "Keep the first books of a token file: a lower bit rate without encoding again.",
    "bench": "Measure speed, latency and memory on this machine.",
}


@click.group(
    cls=LazyGroup,
    package=__name__,
    listing=COMMANDS,
    epilog="Example:  tts codec encode talk.wav && tts codec decode talk.ptok -o copy.wav",
)
def command():
    """Encode speech to tokens (.ptok) and back."""
