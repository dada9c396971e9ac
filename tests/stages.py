"""What ``python -m tests profile`` measures: where the time of a path goes, stage by stage, plain and as it is used.

Functions are wrapped where they are called; a stage has the time spent in them and in nothing that is wrapped inside. ``plain``
is float32 with the reference of every kernel, ``used`` is what this machine takes by itself, or the engine that is asked for.
Both are run in turn, so that what else the machine does falls on both; medians are told.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from codec.tokenfile import TokenReader
from tts.voice import Voice
from vocoder.audio.frames import SAMPLE_RATE, frames_to_seconds

ROOT = Path(__file__).resolve().parents[1]
PATHS = ("synth", "clone", "encode", "decode")
TEXT = (
    "The old lighthouse stood at the end of the pier, and nobody had climbed its stairs for years. On a clear evening in "
    "June, two children found the door open. What they saw from the top they never told to anyone."
)
REPEATS = 4  # of the text in the sound that is cloned and coded
PLAIN = {"PARLANCE_ENGINE": "fp32", "PARLANCE_KERNELS": "reference"}
MARKS = """
import json, sys, time
began, marks = time.perf_counter(), {}
def mark(name):
    global began
    marks[name] = time.perf_counter() - began
    began = time.perf_counter()
"""
COLD = {
    "by torch": MARKS + """
import torch; mark("import the runtime")
import frontend.analysis, tts.api, tts.models, tts.sampler, tts.watermark, vocoder.api; mark("import the package")
synthesizer = tts.api.Synthesizer(sys.argv[1], threads=1)
synthesizer._load(); mark("load the models")
clause = frontend.analyze("Yes.", "en-us"); mark("start espeak's process, analyse the word")
speech = synthesizer.synth("Yes.", language="en-us"); mark("speak the word")
speech.save(sys.argv[2], force=True); mark("write the file")
print(json.dumps(marks))
""",
    "by onnxruntime, without torch": MARKS + """
import onnxruntime; mark("import the runtime")
import frontend.analysis; from pathlib import Path; from tests.tts.plain_player import Player, write; mark("import the package")
player = Player(Path(sys.argv[3])); mark("load the models")
clause = frontend.analyze("Yes.", "en-us").clauses[0]; mark("start espeak's process, analyse the word")
wav = player.speak(clause.ids, clause.styles, clause.langs, player.facts["example"]["voice"]); mark("speak the word")
write(sys.argv[2], wav, player.rate); mark("write the file")
assert "torch" not in sys.modules
print(json.dumps(marks))
""",
}


class Stages:
    """Seconds by stage. ``wrap`` what belongs to one; ``run`` what is measured."""

    def __init__(self, device: str = "cpu"):
        self.seconds: dict[str, float] = defaultdict(float)
        self.device, self._open, self._since = device, [], 0.0
        self._undo: list[Callable[[], None]] = []

    def wrap(self, owner, name: str, stage: str) -> None:
        """Count calls of ``owner.name`` as the stage; generators by what they do between two items."""
        function = getattr(owner, name)

        def timed(*args, **kwargs):
            with self.stage(stage):
                return function(*args, **kwargs)

        own = vars(owner).get(name)
        setattr(owner, name, timed)
        self._undo.append(lambda: delattr(owner, name) if own is None else setattr(owner, name, own))

    @contextmanager
    def stage(self, stage: str):
        self._turn()
        self._open.append(stage)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def run(self, work: Callable[[], object]):
        self._since = self._now()
        with self.stage("rest"):
            return work()

    def unwrap(self) -> None:
        while self._undo:
            self._undo.pop()()

    def _turn(self) -> None:
        now = self._now()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def _now(self) -> float:
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()


def wrap_vocoder(stages: Stages, model) -> None:
    from vocoder import fourier

    stages.wrap(model, "trunk", "vocoder: ConvNeXt trunk")
    stages.wrap(model, "spectrum", "vocoder: head, filter of the excitation")
    stages.wrap(model, "projected", "vocoder: projections on the mel")
    for name in ("stft", "istft"):
        stages.wrap(fourier, name, "vocoder: FFT, inverse FFT, overlap-add")


def wrap_synth(stages: Stages, synthesizer) -> None:
    import frontend
    from frontend.analysis import Reading
    from vocoder import api

    acoustic = synthesizer._acoustic
    stages.wrap(frontend, "read", "text analysis")
    stages.wrap(Reading, "_read", "text analysis")
    stages.wrap(acoustic.variance, "encoded", "text encoder")
    stages.wrap(acoustic.variance, "foretold", "variance predictors")
    stages.wrap(acoustic, "frames", "length regulator, decoder")
    stages.wrap(synthesizer._mark, "apply", "watermark")
    stages.wrap(api, "normal", "vocoder: noise")
    for name in ("pulse_train", "bridged_log_f0"):
        stages.wrap(api, name, "vocoder: pulse train")
    wrap_vocoder(stages, synthesizer._vocoder.model)


def wrap_clone(stages: Stages, synthesizer) -> None:
    from tts import likeness, listen, voicefile

    stages.wrap(listen, "read_start", "read, resample")
    stages.wrap(listen, "_activity", "speech activity, pitch")
    stages.wrap(listen, "_measure", "quality of the recording")
    stages.wrap(listen, "words_heard", "recogniser")
    encoder = likeness.installed_encoder()
    stages.wrap(likeness, "split", "speaker encoder")
    stages.wrap(encoder, "embed", "speaker encoder")
    stages.wrap(voicefile, "write", "write the voice")
    stages.wrap(synthesizer, "_colour", "colour, at the first text")
    stages.wrap(synthesizer._acoustic.variance, "voice", "style and tokens, at the first text")


def wrap_encode(stages: Stages, codec) -> None:
    from codec import encoder
    from codec.tokenfile import TokenWriter

    stages.wrap(encoder, "log_mel", "mel")
    stages.wrap(codec.model.encoder, "of_mel", "encoder")
    stages.wrap(codec.model.quantizer, "encode", "quantiser's search")
    for name in ("write", "close"):
        stages.wrap(TokenWriter, name, "token file")


def wrap_decode(stages: Stages, codec) -> None:
    from codec import stream

    stages.wrap(codec.model.quantizer, "sum_vectors", "latents of codes")
    stages.wrap(codec.model, "drive", "decoder of the codec")
    stages.wrap(stream, "normal", "vocoder: noise")
    stages.wrap(stream.PulseStream, "push", "vocoder: pulse train")
    wrap_vocoder(stages, codec.model.vocoder)


def job(path: str, model: str | None, device: str, folder: Path) -> tuple[Callable, Callable]:
    """(work, which tells the seconds of sound; what wraps its stages) of a path; everything is loaded."""
    from vocoder.audio.io import read_blocks, write_audio

    sound, tokens, out = folder / "sound.wav", folder / "sound.ptok", folder / "out.wav"
    if path in ("synth", "clone"):
        from tts.api import Synthesizer

        synthesizer = Synthesizer(model)
        synthesizer.warm()
        synthesizer._vocoder.model.to(device)
    else:
        from codec import Codec

        codec = Codec.load()
        if path == "decode":
            codec.model.to(device)

    def synth(stages):
        chunks = list(synthesizer.stream(TEXT, language="en-us"))
        with stages.stage("write the file"):
            write_audio(out, (chunk.samples for chunk in chunks), SAMPLE_RATE, force=True)
        return sum(chunk.duration for chunk in chunks)

    def clone(stages):
        voice = Voice.from_audio(sound, consent="synthetic speech; made for this measurement; today")
        voice.save(folder / "voice.safetensors", force=True)
        synthesizer._colours.clear()
        synthesizer._voice_tensors(voice)
        return frames_to_seconds(len(voice.reference))

    def encode(stages):
        with stages.stage("read"):
            blocks = list(read_blocks(sound))
        return codec.encode_file(iter(blocks), tokens, force=True).seconds

    def decode(stages):
        with open(tokens, "rb") as file:
            made = list(codec.decode_stream(TokenReader(file)))
        with stages.stage("write the file"):
            write_audio(out, iter(made), SAMPLE_RATE, force=True)
        return sum(map(len, made)) / SAMPLE_RATE

    work = {"synth": synth, "clone": clone, "encode": encode, "decode": decode}[path]
    wrap = {"synth": wrap_synth, "clone": wrap_clone, "encode": wrap_encode, "decode": wrap_decode}[path]
    return work, lambda stages: wrap(stages, synthesizer if path in ("synth", "clone") else codec)


@contextmanager
def environment(**values: str):
    """Environment variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def measure(paths: list[str], model: str | None, engine: str | None, device: str, runs: int, told: Callable[[str], None]) -> dict:
    """A table a path: stage -> milliseconds a second of sound, plain and used."""
    ways = {"plain": PLAIN, "used": {} if engine is None else {"PARLANCE_ENGINE": engine}}
    report = {"machine": machine(device), "model": model, "engine": engine, "runs": runs, "paths": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for path in paths:
            table = report["paths"][path] = {}
            prepared = {}
            for way, variables in ways.items():
                with environment(**variables):
                    prepared[way] = job(path, model, device, folder)
                    prepared[way][0](Stages())  # warms up
            found = {way: [] for way in ways}
            for _ in range(runs):
                for way, variables in ways.items():
                    with environment(**variables):
                        found[way].append(once(*prepared[way], device))
            for way, rows in found.items():
                stages = {stage for row in rows for stage in row}
                table[way] = {stage: statistics.median(row.get(stage, 0.0) for row in rows) for stage in stages}
            told(as_table(path, table))
    report["load_average"] = os.getloadavg()
    return report


def once(work: Callable, wrap: Callable, device: str) -> dict[str, float]:
    """Seconds a stage, of one second of sound."""
    stages = Stages(device)
    wrap(stages)
    try:
        sound = stages.run(lambda: work(stages))
    finally:
        stages.unwrap()
    return {stage: seconds / sound for stage, seconds in stages.seconds.items()}


def prepare(folder: Path) -> None:
    """``sound.wav``: speech that is cloned and encoded; ``sound.ptok``: its tokens."""
    from codec import Codec
    from tts.api import Synthesizer

    Synthesizer("fs2").synth(" ".join([TEXT] * REPEATS), language="en-us").save(folder / "sound.wav")
    Codec.load().encode_file(folder / "sound.wav", folder / "sound.ptok")


def as_table(path: str, table: dict) -> str:
    """Markdown; stages by what they take as used."""
    plain, used = table["plain"], table["used"]
    total = {way: sum(row.values()) for way, row in table.items()}
    rows = [f"| {path}: ms a second of sound | plain | used | share |", "|---|---|---|---|"]
    for stage in sorted(plain | used, key=lambda stage: -used.get(stage, 0.0)):
        share = used.get(stage, 0.0) / total["used"]
        rows.append(f"| {stage} | {1000 * plain.get(stage, 0.0):.2f} | {1000 * used.get(stage, 0.0):.2f} | {share:.0%} |")
    rows.append(f"| all; real-time factor {total['plain']:.4f}, {total['used']:.4f} "
                f"| {1000 * total['plain']:.2f} | {1000 * total['used']:.2f} | |")  # fmt: skip
    return "\n".join(rows) + "\n"


def measure_cold(model: str, runs: int) -> dict:
    """Step -> seconds from a fresh process to a file with one word, by torch and, where the graphs are exported, without."""
    from tts.api import Synthesizer

    synthesizer = Synthesizer(model)
    graphs = synthesizer.graphs_of(synthesizer.fresh_vocoder())
    ways = [way for way in COLD if "onnx" not in way or (graphs / "text.onnx").is_file()]
    found = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(synthesizer.folder), f"{folder}/word.wav", str(graphs)]
        for _ in range(runs):
            for way in ways:
                began = time.perf_counter()
                command = [sys.executable, "-c", COLD[way], *arguments]
                done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
                row = json.loads(done.stdout)
                found[way].append(row | {"start and end of Python": time.perf_counter() - began - sum(row.values())})
    return {way: {step: statistics.median(row[step] for row in rows) for step in rows[0]} for way, rows in found.items()}


def as_cold_table(found: dict) -> str:
    rows = [f"| cold start: one word, s | {' | '.join(found)} |", "|---" * (1 + len(found)) + "|"]
    for step in next(iter(found.values())):
        rows.append(f"| {step} | {' | '.join(f'{row[step]:.2f}' for row in found.values())} |")
    rows.append(f"| all | {' | '.join(f'{sum(row.values()):.2f}' for row in found.values())} |")
    return "\n".join(rows) + "\n"


def machine(device: str) -> dict:
    import torch

    told = {"cpu": platform.processor() or platform.machine(), "cpus": os.cpu_count(), "torch": torch.__version__,
            "threads": torch.get_num_threads(), "capability": torch.backends.cpu.get_cpu_capability()}  # fmt: skip
    return told | ({"gpu": torch.cuda.get_device_name()} if device == "cuda" else {})
