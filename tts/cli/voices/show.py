"""``tts voices show``: everything that a voice holds."""

from __future__ import annotations

import click

from tts.base import strict_json
from tts.cli.table import table


@click.command(epilog="Example:  tts voices show kerstin")
@click.argument("voice", metavar="NAME|FILE")
@click.option("--model", metavar="NAME|DIR", help="The model whose voice NAME is.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(voice, model, as_json):
    """Say all that a voice holds: facts, consent, and the report of its recordings."""
    from tts.api import Synthesizer
    from tts.cli.voices import named_voice
    from tts.consent import summary

    found = named_voice(voice, Synthesizer(model=model))
    facts = voice_facts(found)
    if as_json:
        click.echo(strict_json.dumps(facts, indent=1))
        return
    plain = [
        [key, ", ".join(v) if isinstance(v, list) else v] for key, v in facts.items() if key not in ("consent", "report", "pitch")
    ]
    if found.pitch:
        plain.append(["pitch", f"{found.pitch[0]:.0f} Hz, spread {found.pitch[1] * 17.31:.1f} semitones"])
    rows = [[key, value if isinstance(value, str) else f"{value:g}"] for key, value in plain if value not in (None, "")]
    rows.append(["consent", summary(found.consent) or "none"])
    rows += report_rows(found.report) if found.report else []
    click.echo(table(["of the voice", ""], rows))
    for _, sentence in found.report.warnings if found.report else ():
        click.echo(f"warning: {sentence}", err=True)


def voice_facts(voice) -> dict:
    """All of a voice but its arrays."""
    from vocoder.audio.frames import frames_to_seconds

    return {
        "name": voice.name, "languages": list(voice.languages), "gender": voice.gender, "corpus": voice.corpus,
        "licence": voice.licence, "minutes": voice.minutes, "seconds": round(frames_to_seconds(len(voice.reference)), 2),
        "model": voice.model_id, "speaker_model": voice.speaker_model, "source_sha256": voice.source_sha256,
        "pitch": None if voice.pitch is None else list(voice.pitch), "consent": voice.consent,
        "report": voice.report and voice.report.to_dict(),
    }  # fmt: skip


def report_rows(report) -> list[list[str]]:
    """What was measured, for people."""
    rows = [
        ["read", f"{report.seconds:.1f} s"], ["speech", f"{report.speech:.1f} s"], ["kept", f"{report.kept:.1f} s"],
        ["level", f"{report.level_db:.1f} dBFS"], ["speech over noise", f"{report.snr_db:.0f} dB"],
        ["clipped", f"{report.clipped:.2%}"], ["bandwidth", f"{report.bandwidth_hz:.0f} Hz"],
        ["decay", "unknown" if report.decay is None else f"{report.decay:.0f} dB a second"],
        ["phone pairs", f"{report.words:.1f} a second"],
        ["most different parts", "unknown" if report.split is None else f"cosine {report.split:.2f}"],
    ]  # fmt: skip
    return rows
