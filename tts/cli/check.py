"""``tts check``: the doctor."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from tts.cli.values import MODEL


@click.command(epilog="Example:  tts check --json > report.json")
@MODEL
@click.option("--threads", type=click.IntRange(1, 64), metavar="N", help="CPU threads for the test sentence.")
@click.option("--bench", is_flag=True, help="Measure the vocoder's engines too, and keep the best for this machine.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(model, threads, bench, as_json):
    """Test this installation and measure this machine. Exits with 1 when something is wrong."""
    from tts.doctor import findings

    found = []
    for finding in findings(model, threads, bench):
        found.append(finding)
        if not as_json:
            click.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.detail}")
            if not finding.ok and finding.fix:
                click.echo(f"     fix: {finding.fix}")
            if "engine" in finding.figures:
                click.echo(_engines(finding.figures))
    sound = all(finding.ok for finding in found)
    if as_json:
        click.echo(json.dumps({"ok": sound, "checks": [asdict(finding) for finding in found]}, indent=1))
    click.get_current_context().exit(0 if sound else 1)


def _engines(figures: dict) -> str:
    """The engines side by side."""
    from tts.cli.table import table

    within = f"SNR of {figures['least_snr_db']:g} dB"
    rows = [
        [row["engine"], f"{row['rtf']:.4f}", row["snr"], f"{row['spectral_db']:.2f}",
         "yes" if row["snr"] is None or row["snr"] >= figures["least_snr_db"] else "no"]
        for row in figures["rows"]
    ]  # fmt: skip
    return table(["engine", "RTF of the vocoder", "SNR dB", "mel dB", within], rows)
