"""``tts voices``: the voices there are, what is known of one, mixes, and whether two are one person."""

from __future__ import annotations

import click

from tts.cli import LazyGroup

COMMANDS = {
    "list": "List the voices of a model; what 'tts voices' does without a command.",
    "show": "Say all that a voice holds: facts, consent, report.",
    "mix": "Blend voices into a new one.",
    "verify": "Say whether two voices or recordings are one person.",
}


class ListByDefault(LazyGroup):
    """``tts voices -l de`` is ``tts voices list -l de``."""

    def parse_args(self, context, args):
        return super().parse_args(context, self.with_default(args))

    @staticmethod
    def with_default(args: list[str]) -> list[str]:
        """The arguments with ``list`` before them where they name no command."""
        named = args and (not args[0].startswith("-") or args[0] in ("-h", "--help"))
        return [*args] if named else ["list", *args]


@click.group(cls=ListByDefault, package=__name__, listing=COMMANDS, epilog="Example:  tts voices -l de")
def command():
    """List voices, look into one, mix several, compare two. Without a command: list."""


def named_voice(text: str, synthesizer):
    """The Voice of a name, or of a path to a voice file (``.safetensors``, or with a slash)."""
    from tts.voice import Voice

    return Voice.load(text) if text.endswith(".safetensors") or "/" in text else synthesizer.voice(text)
