"""Results as JSON and as a block of a markdown file; every table says which command made it, when, on what."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recipes.evaluate.figures import Figure
from tts.base import strict_json
from tts.base.errors import DataError
from tts.base.files import atomic_write

Value = str | int | float | Figure | None


@dataclass(frozen=True)
class Table:
    """One experiment: rows for people, clips for whoever doubts the rows."""

    name: str  # file name and block name, e.g. "vocoder"
    title: str
    command: str
    rows: Sequence[dict[str, Value]]
    notes: Sequence[str] = ()
    clips: Sequence[dict] = ()  # one measured item each
    made: dict[str, str] = field(default_factory=lambda: circumstances())

    def save(self, out) -> Path:
        """Write ``out/NAME.json``."""
        path = Path(out) / f"{self.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{key: value.to_dict() if isinstance(value, Figure) else value for key, value in row.items()} for row in self.rows]
        content = {
            "table": self.name,
            "title": self.title,
            "command": self.command,
            "made": self.made,
            "rows": rows,
            "notes": list(self.notes),
            "clips": list(self.clips),
        }
        atomic_write(path, strict_json.dumps(content) + "\n", force=True)
        return path

    def publish(self, results) -> None:
        """Replace this table's own block in a markdown file, or append it; the rest of the file stays as it is."""
        path = Path(results)
        text = path.read_text(encoding="utf-8") if path.exists() else "# Results\n"
        begin, end = f"<!-- evaluate {self.name} -->", f"<!-- end evaluate {self.name} -->"
        if (text.count(begin), text.count(end)) not in ((0, 0), (1, 1)):
            raise DataError(
                f"the block {begin} is not marked once at both ends.",
                where=path,
                code="evaluate.block",
                fix="Mend the two comment lines, or delete them.",
            )
        block = f"{begin}\n{self.markdown()}{end}"
        if begin in text:
            text = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: block, text, flags=re.DOTALL)
        else:
            text = f"{text.rstrip()}\n\n{block}\n"
        atomic_write(path, text, force=True)

    def markdown(self) -> str:
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
        lines += [" | ".join(_cell(row.get(column)) for column in columns) for row in self.rows]
        made = " · ".join(self.made.values())
        parts = [f"## {self.title}", f"`{self.command}`  \n{made}", "\n".join(f"| {line} |" for line in lines), *self.notes]
        return "\n\n".join(parts) + "\n"


def circumstances() -> dict[str, str]:
    """Date, commit, machine and load: what a figure depends on besides the command."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    ).stdout.strip()
    return {
        "date": datetime.date.today().isoformat(),
        "commit": f"commit {commit or 'unknown'}",
        "machine": f"{os.cpu_count()} cores, {_processor()}",
        "load": f"load {os.getloadavg()[0]:.1f} at the end",
    }


def _processor() -> str:
    try:
        names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _cell(value: Value) -> str:
    if value is None:
        return "–"
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")
