"""Speaks with the files of ``tts export-onnx`` by numpy and onnxruntime, without torch: what a port to another language does.

    python -m tests.tts.plain_player FOLDER out.wav          # the example of its speech.json
    python -m tests.tts.plain_player FOLDER out.wav "Any text." en-us ada

Steps and names are those of docs/onnx.md. The clause is computed in one piece; ``tts synth`` computes pieces of
``first_chunk_frames``, then ``chunk_frames``, with ``context_frames`` on both sides, which gives the same samples.
"""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import load_file

from tts.base.rng import normal


class Player:
    def __init__(self, folder: Path, threads: int = 1, vocoder: str = "vocoder"):
        self.facts = json.loads((folder / "speech.json").read_text(encoding="utf-8"))
        self.tensors = load_file(folder / "speech.safetensors")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        names = ("text", "variance", "decoder", vocoder, "projection")
        self.graphs = {
            name.partition("-")[0]: onnxruntime.InferenceSession(folder / f"{name}.onnx", options, ["CPUExecutionProvider"])
            for name in names
        }
        clock = self.facts["clock"]
        self.rate, self.hop, self.n_fft, self.pad = (clock[k] for k in ("sample_rate", "hop_length", "n_fft", "padding"))
        self.window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.n_fft) / self.n_fft)).astype(np.float32)

    def run(self, name: str, *given):
        graph = self.graphs[name]
        found = graph.run(None, {each.name: x for each, x in zip(graph.get_inputs(), given, strict=True)})
        return found[0] if len(found) == 1 else found

    def speak(self, ids, styles, langs, voice: str, seed: int = 0, clause: int = 0, first_frame: int = 0) -> np.ndarray:
        """Samples of a clause; its pause and the fade of 5 ms at its ends are left to the caller."""
        ids, styles, langs = (np.array([row], np.int64) for row in (ids, styles, langs))
        style, tokens, memory = (self.tensors.get(f"{voice}.{part}") for part in ("style", "tokens", "memory"))
        hidden = self.run("text", ids, styles, langs)
        durations, pitch, energy = self.plan(ids[0], self.run("variance", hidden, style)[0])
        spoken = (durations > 0).astype(np.float32)
        pitch, energy = self.normalised(np.log(pitch), "pitch") * spoken, self.normalised(energy, "energy") * spoken
        token = np.repeat(np.arange(len(durations)), durations)
        given = [hidden, durations[None], token[None], pitch[None], energy[None], style, tokens]
        inputs = self.graphs["decoder"].get_inputs()
        if len(inputs) > len(given):  # prosody codes: none
            given.append(np.zeros((1, len(durations), inputs[len(given)].shape[2]), np.float32))
        mel, f0, voiced = self.run("decoder", *given, *([] if memory is None else [memory]))
        f0 = np.exp(self.absolute(f0, "pitch")).clip(self.facts["pitch"]["lowest_hz"], self.facts["pitch"]["highest_hz"])
        f0 = np.where(voiced > 0, f0, np.float32(0))
        mark = self.tensors["watermark"]
        mel = mel + mark[(first_frame + np.arange(mel.shape[1])) % len(mark)]
        return self.samples(mel, f0, seed, clause)

    def plan(self, ids, values):
        """Durations in frames, pitch in Hz and energy of the phones, from what the variance graph says [N, 4]."""
        log_frames, present, pitch, energy = values.T
        silent = ids < self.facts["may_be_silent_below"]
        frames = np.exp(log_frames).round().clip(1, self.facts["longest_phone"])
        frames = np.where(silent & (present < 0), 0, frames).astype(np.int64)
        frames[0] = max(1, frames[0])
        mean = pitch[~silent].mean() if (~silent).any() else pitch.mean()
        pitch = mean + (pitch - mean) * np.float32(self.facts["pitch"]["spread"])
        return frames, np.exp(self.absolute(pitch, "pitch")), self.absolute(energy, "energy")

    def absolute(self, values, name: str):
        about = self.facts[name]
        return values * np.float32(about["scale"]) + np.float32(about["centre"])

    def normalised(self, values, name: str):
        about = self.facts[name]
        return ((values - about["centre"]) / about["scale"]).astype(np.float32)

    def samples(self, mel, f0, seed, clause):
        if self.facts["vocoder"]["form"] == "mel":
            spectrum = self.run("vocoder", mel)
        else:
            held = self.held(f0[0])
            noise = normal(seed, ("vocoder", clause), f0.shape[1] * self.hop)
            pairs = (as_pairs(self.spectra(wav)) for wav in (self.pulses(f0[0], held), noise))
            spectrum = self.run("vocoder", mel, f0, held[None], *pairs)
        wav = self.overlap(spectrum[0, ..., 0] + 1j * spectrum[0, ..., 1])
        for _ in range(self.facts["vocoder"]["n_projections"]):
            found = self.spectra(wav)
            wav = self.overlap(found * self.run("projection", np.abs(found)[None], mel)[0])
        return wav

    def held(self, f0):
        """Log F0 held over unvoiced stretches; the first voiced value before it, a default where there is none."""
        if not (f0 > 0).any():
            return np.full(len(f0), self.facts["unvoiced_log_f0"], np.float32)
        last = np.maximum.accumulate(np.where(f0 > 0, np.arange(len(f0)), -1))
        return np.log(f0[np.where(last < 0, np.argmax(f0 > 0), last)])

    def pulses(self, f0, held):
        """A pulse train: sum of cosines below Nyquist, in closed form; the phase is summed in double precision."""
        f0_samples = np.exp(self.between(held))
        gate = self.between((f0 > 0).astype(np.float32))
        cycles = np.cumsum(f0_samples.astype(np.float64) / self.rate)
        phi = (2 * np.pi * (cycles - np.floor(cycles))).astype(np.float32)
        n = np.float32(self.rate / 2) / f0_samples - 1
        whole, half = np.floor(n), np.sin(phi / 2)
        near = np.abs(half) < 1e-4
        kernel = np.where(near, whole, np.sin((whole + 0.5) * phi) / (2 * np.where(near, 1, half)) - 0.5)
        return gate * (kernel + (n - whole) * np.cos((whole + 1) * phi)) * np.sqrt(2 / n)

    def between(self, values):
        """Values at hop centres -> at samples, linearly."""
        place = (np.arange(self.hop, dtype=np.float32) + 0.5) / self.hop - 0.5
        padded = np.pad(values, 1, mode="edge")
        before, here, after = padded[:-2, None], padded[1:-1, None], padded[2:, None]
        return (here + np.where(place < 0, here - before, after - here) * place).astype(np.float32).ravel()

    def spectra(self, wav):
        padded = np.pad(wav.astype(np.float32), self.pad)
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)[:: self.hop]
        return np.fft.rfft(frames * self.window).astype(np.complex64)

    def overlap(self, spectrum):
        """Inverse of ``spectra``: windowed frames added up, divided by the sum of the squared windows."""
        frames = np.fft.irfft(spectrum, self.n_fft).astype(np.float32) * self.window
        parts = self.n_fft // self.hop
        wav, weight = (np.zeros((len(frames) + parts - 1, self.hop), np.float32) for _ in range(2))
        for k in range(parts):
            cut = slice(k * self.hop, (k + 1) * self.hop)
            wav[k : k + len(frames)] += frames[:, cut]
            weight[k : k + len(frames)] += np.square(self.window[cut])
        return (wav.ravel() / np.maximum(weight.ravel(), 1e-6))[self.pad : self.pad + len(frames) * self.hop]


def as_pairs(spectrum):
    return np.stack([spectrum.real, spectrum.imag], axis=-1)[None].astype(np.float32)


def main(folder: str, out: str, text: str = "", language: str = "en-us", voice: str = "") -> None:
    player = Player(Path(folder))
    said = player.facts["example"]
    clauses = [(said["ids"], said["styles"], said["langs"])]
    if text:
        import frontend

        clauses = [(each.ids, each.styles, each.langs) for each in frontend.analyze(text, language).clauses]
    wav = np.concatenate([player.speak(*clause, voice or said["voice"], clause=i) for i, clause in enumerate(clauses)])
    write(out, wav, player.rate)


def write(path: str, wav: np.ndarray, rate: int) -> None:
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((wav.clip(-1, 1) * 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
