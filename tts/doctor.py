"""What ``tts check`` looks at: each finding says what was found and, when it is wrong, what to do."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tts.base.errors import TtsError

DISTRIBUTION = "parlance-tts"
_PACKAGES = ("tts", "codec", "frontend", "vocoder", "recipes")
SENTENCE = "This sentence was spoken to test the installation."


@dataclass(frozen=True)
class Finding:
    """One line of ``tts check``."""

    name: str
    ok: bool
    detail: str
    fix: str = ""  # what to do when not ok
    figures: dict = field(default_factory=dict)  # for --json


def findings(model=None, threads: int | None = None, bench: bool = False) -> Iterator[Finding]:
    """All checks, cheapest first, each as soon as it is done; with ``bench`` the engines too."""
    yield command_owner()
    yield package_owner()
    yield versions()
    yield espeak()
    yield from models()
    yield render(model, threads)
    if bench:
        yield engines(model, threads)


def command_owner() -> Finding:
    """Whether ``tts`` on PATH is this installation's."""
    found = shutil.which("tts")
    if found is None:
        return Finding("command", True, f"no 'tts' on PATH; it is {Path(sys.executable).parent / 'tts'}")
    ours = Path(sys.executable).parent
    if Path(found).parent.resolve() == ours.resolve():
        return Finding("command", True, found)
    owners = [
        dist.metadata["Name"]
        for dist in importlib.metadata.distributions()
        for entry in dist.entry_points
        if entry.group == "console_scripts" and entry.name == "tts"
    ]
    return Finding(
        "command",
        False,
        f"'tts' on PATH is {found}, this program runs from {ours} (here it belongs to "
        f"{', '.join(sorted(set(owners))) or 'no package'})",
        f"Use 'parlance', or {sys.executable} -m tts",
    )


def package_owner() -> Finding:
    """Whether another distribution installed one of our package names (Coqui's ``TTS`` on case-blind disks)."""
    owners = importlib.metadata.packages_distributions()
    others = {
        f"{name} ({', '.join(sorted(set(found)))})"
        for top, found in owners.items()
        for name in _PACKAGES
        if top.lower() == name and any(dist != DISTRIBUTION for dist in found)
    }
    if others:
        return Finding(
            "packages",
            False,
            f"also installed by others: {', '.join(sorted(others))}",
            f"Install {DISTRIBUTION} into its own virtual environment.",
        )
    return Finding("packages", True, str(Path(__file__).resolve().parents[1]))


def versions() -> Finding:
    """Versions of what the product needs; a missing one is named with its install command."""
    figures, missing = {"python": platform.python_version(), "platform": platform.platform(), "cpus": os.cpu_count()}, []
    for name in (DISTRIBUTION, "torch", "numpy", "phonemizer", "espeakng-loader", "soundfile", "soxr", "safetensors", "click"):
        try:
            figures[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    detail = ", ".join(f"{key} {value}" for key, value in figures.items())
    if missing:
        return Finding("versions", False, f"{detail}; missing: {', '.join(missing)}", f"pip install {' '.join(missing)}", figures)
    return Finding("versions", True, detail, figures=figures)


def espeak() -> Finding:
    """The bundled espeak-ng library, and one word through the worker."""
    fix = "pip install --force-reinstall espeakng-loader phonemizer"
    try:
        import espeakng_loader

        path = espeakng_loader.get_library_path()
        if not Path(path).is_file():
            return Finding("espeak", False, f"{path} does not exist", fix)
        import frontend

        phones = frontend.analyze("ok", "en-us").clauses[0]
        return Finding("espeak", True, f"{path}, {len(phones)} phones for 'ok'")
    except (ImportError, OSError, TtsError) as error:
        return Finding("espeak", False, str(error), fix)


def models() -> Iterator[Finding]:
    """Every model of the packages and of the user's cache: its hashes hold."""
    from tts.registry import HOUSE, installed, shipped
    from vocoder.nn.checkpoint import verify_model

    ours = shipped()
    found = ours | {name: folder for name, folder in installed().items() if folder not in ours.values()}
    if not ours:
        yield Finding("models", False, f"no model in {HOUSE}", f"pip install --force-reinstall {DISTRIBUTION}")
    for name, folder in found.items():
        try:
            config = verify_model(folder)
        except TtsError as error:
            yield Finding(f"model {name}", False, error.what, error.fix or f"pip install --force-reinstall {DISTRIBUTION}")
        else:
            digest = config["files"]["model.safetensors"]
            yield Finding(
                f"model {name}",
                True,
                f"{config['kind']}, {digest['bytes'] / 1e6:.1f} MB, id {config['model_id']}",
                figures={"model_id": config["model_id"], "sha256": digest["sha256"], "folder": str(folder)},
            )


def render(model=None, threads: int | None = None) -> Finding:
    """One sentence spoken, streamed: load time, time to first audio, real-time factor, peak memory."""
    import resource

    try:
        started = time.perf_counter()
        from tts.api import Synthesizer

        synthesizer = Synthesizer(model=model, threads=threads)
        warm = sum(len(chunk.samples) for chunk in synthesizer.stream("Ready."))
        load = time.perf_counter() - started
        began, first, seconds = time.perf_counter(), None, 0.0
        for chunk in synthesizer.stream(SENTENCE):
            first = first if first is not None else time.perf_counter() - began
            seconds += chunk.duration
        wall = time.perf_counter() - began
    except ImportError as error:
        return Finding("render", False, f"cannot be loaded: {error}", f"pip install --force-reinstall {DISTRIBUTION}")
    except TtsError as error:
        return Finding("render", False, str(error), error.fix or "")
    if not warm or not seconds:
        return Finding("render", False, "no sound came out", "Please report this with the output of: tts check --json")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 * (1 if sys.platform != "darwin" else 1 / 1024)
    figures = {
        "load_s": round(load, 3),
        "first_audio_s": round(first, 3),
        "rtf": round(wall / seconds, 4),
        "audio_s": round(seconds, 2),
        "peak_mb": round(peak),
    }
    return Finding(
        "render",
        True,
        f"{seconds:.1f} s of speech in {wall:.2f} s (RTF {wall / seconds:.2f}), first audio after "
        f"{first * 1000:.0f} ms, load {load:.1f} s, peak memory {peak:.0f} MB",
        figures=figures,
    )


def engines(model=None, threads: int | None = None) -> Finding:
    """Engines of the vocoder side by side on one sentence; the best is kept for this machine."""
    from tts import engine

    try:
        from tts.api import Synthesizer

        synthesizer = Synthesizer(model=model, threads=threads)
        vocoder = synthesizer.fresh_vocoder()
        graphs = synthesizer.graphs_of(vocoder)
        rows = engine.measure(*synthesizer.features(SENTENCE), synthesizer.fresh_vocoder, graphs)
        path = engine.store(rows, vocoder.config["model_id"])
    except TtsError as error:
        return Finding("engines", False, str(error), error.fix or "")
    best = engine.best(rows, graphs)
    return Finding("engines", True, f"{best} is used from now on ({path}; PARLANCE_ENGINE overrides)",
                   figures={"engine": best, "least_snr_db": engine.LEAST_SNR, "rows": [asdict(row) for row in rows]})  # fmt: skip
