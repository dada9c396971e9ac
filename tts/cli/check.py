"""``tts check``: the doctor."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command(epilog="Example:  tts check --json > report.json")
@click.option("--model", metavar="NAME|DIR", help="megatts, fs2, or a model folder.")
@click.option("--threads", type=click.IntRange(1, 64), metavar="N", help="CPU threads for the test sentence.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(model, threads, as_json):
    """Test this installation and measure this machine. Exits with 1 when something is wrong."""
    from tts.doctor import findings

    found = []
    for finding in findings(model, threads):
        found.append(finding)
        if not as_json:
            click.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.detail}")
            if not finding.ok and finding.fix:
                click.echo(f"     fix: {finding.fix}")
    sound = all(finding.ok for finding in found)
    if as_json:
        click.echo(json.dumps({"ok": sound, "checks": [asdict(finding) for finding in found]}, indent=1))
    click.get_current_context().exit(0 if sound else 1)
