"""Train an acoustic model (``fs2``, ``flow``, ``infill`` or ``megatts``) on aligned features.

    python -m recipes train-acoustic --dump egs/house/tts1/dump --exp exp/fs2 --model fs2 --minutes 600

The reference of an utterance is a crop of another utterance of the same speaker (a different crop of the same one
where a speaker has only one).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from recipes.adversarial import MelDiscriminators, discriminator_loss, feature_loss, generator_loss
from recipes.augment import draw_warp, warp_bandwidth, warp_f0, warp_mel
from recipes.batch import Corpus, FrameBatches, lengths, pad
from recipes.export import record_model
from recipes.store import StoreWriter
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, train
from tts.base.errors import ModelError, UsageError
from tts.models import model_classes
from tts.models.fs2 import Fs2Config
from tts.models.speaker import SpeakerEncoder
from tts.models.text import TextConfig
from tts.models.variance import VarianceConfig, band_mask, measure
from vocoder.audio.f0 import interpolate_log_f0
from vocoder.audio.frames import MEL, N_MELS
from vocoder.nn.config import from_dict, to_dict
from vocoder.nn.masks import length_mask


@dataclass(frozen=True)
class AcousticTask:
    budget: int = 6000  # padded frames a batch
    longest: int = 1200  # frames
    reference_frames: tuple[int, int] = (110, 300)  # 1.5 to 4 s
    balance: float = 0.5  # weight of a language: its share of frames to this power
    speaker_balance: float = 1.0  # weight of a speaker within it: the same; 1 = every utterance counts alike
    freeze_text: bool = False  # the text encoder stays as it began
    text_free: bool = False  # ``infill``: from recordings alone, transcribed or not
    freeze_reference: bool = False  # so does what hears a voice: style vectors of before stay true
    quantize: bool = True  # ``megatts``: False lets prosody pass as it is, for a start; the books are made from what that learned
    latents: int = 20_000  # phones that they are made from
    codes_until: int | None = None  # step from which prosody encoder and books stand still: a language model may learn them
    speaker_weight: float = 0.0  # of the speaker encoder's judgement
    speaker_encoder: str | None = None  # its folder; the house encoder when None
    warp: float = 0.4  # share of utterances whose speaker is made larger or smaller (recipes/augment.py)
    adversarial_from: int | None = None  # step at which mel discriminators join (not for ``flow``); None = never
    adversarial_weight: float = 0.1
    feature_weight: float = 0.5


class AcousticTraining(Task):
    def __init__(self, dump, model, task: AcousticTask, seed: int = 0):
        self.task, self.seed, self.model = task, seed, model
        dump = Path(dump)
        self.train, self.dev = Corpus(dump / "train", drop=dropped(dump / "train")), Corpus(dump / "dev")
        usable = self.usable(self.train)
        self.discriminators = None if task.adversarial_from is None else MelDiscriminators()
        shortest = min(self.discriminators.windows) if self.discriminators else 1  # frames; somebody must judge each batch
        frames = {k: n for k in usable if shortest <= (n := self.train.frames(k)) <= task.longest}
        self.speakers = Speakers(self.train, frames)
        known = self.speakers.numbers
        self.dev_keys = [k for k in self.usable(self.dev) if self.dev.utterances[k].speaker in known]
        self.batches = FrameBatches(frames, task.budget, seed, repeats(self.train, frames, task.balance, task.speaker_balance))
        self.players = [Player("model", model, self.generate)]
        self.judge = SpeakerEncoder.load(task.speaker_encoder) if task.speaker_weight else None
        if task.freeze_text:
            model.variance.text.requires_grad_(False)
        if task.freeze_reference:
            model.variance.reference.requires_grad_(False)
        if model.kind == "megatts":
            model.variance.quantizing = task.quantize
            quantizer = model.variance.prosody.quantizer
            if task.quantize and not quantizer.books[0].vectors.any():
                quantizer.initialise(self.latents(), torch.Generator().manual_seed(seed))
            quantizer.start_learning()
        if self.discriminators:
            self.players.insert(0, Player("discriminator", self.discriminators, self.discriminate, task.adversarial_from))

    def usable(self, corpus: Corpus) -> list[str]:
        """Utterances that can be trained on: aligned ones, or all when the text is not needed."""
        return corpus.keys if self.task.text_free else [key for key in corpus.keys if key in corpus.store("durations")]

    def batch(self, step: int) -> dict:
        rng = np.random.default_rng([self.seed, step, 1])
        return self.collate(self.train, self.batches(step), rng, self.task.warp)

    def collate(self, corpus: Corpus, keys: list[str], rng, warp: float = 0.0) -> dict:
        return collate(corpus, keys, self.speakers, rng, self.task.reference_frames, warp, not self.task.text_free)

    def predict(self, batch: dict, step: int, scratch: dict) -> dict:
        """The model's losses, computed once a step; mels cut to the band of the recording for the discriminators."""
        if "losses" not in scratch:
            if self.model.kind == "megatts":
                self.settle_codes(step)
            scratch["losses"] = self.model.loss(batch, scratch)
            if self.judge:
                scratch["losses"]["same_speaker"] = self.task.speaker_weight * self.strangeness(batch, scratch["mel"])
            if self.discriminators:
                bands, floor = band_mask(batch["bandwidth"]), float(np.log(MEL.floor))
                shortest = int(batch["frame_lengths"].min())
                scratch["fake"] = (scratch["mel"] * bands + floor * (1 - bands))[:, :shortest]
                scratch["real"] = (batch["mel"] * bands + floor * (1 - bands))[:, :shortest]
                scratch["places"] = torch.rand(len(bands), device=bands.device)
        return scratch["losses"]

    def strangeness(self, batch: dict, mel) -> torch.Tensor:
        """How unlike the speaker predicted mels sound: 1 - cosine of what the speaker encoder hears of them and of natural ones.

        Over two seconds of each utterance. Source: speaker consistency loss, YourTTS (arXiv 2112.02418) §2.2.
        """
        self.judge.model.to(mel.device)
        size = min(JUDGED_FRAMES, int(batch["frame_lengths"].min()))
        start = int(torch.randint(0, int(batch["frame_lengths"].min()) - size + 1, ()))
        piece = slice(start, start + size)
        with torch.no_grad():
            natural = self.judge(batch["mel"][:, piece])
        return 1 - (self.judge(mel[:, piece]) * natural).sum(-1).mean()

    def settle_codes(self, step: int) -> None:
        """Whether the prosody codes still learn at this step."""
        if self.task.codes_until is not None and step >= self.task.codes_until:
            self.model.variance.prosody.requires_grad_(False).eval()

    @torch.no_grad()
    def latents(self) -> torch.Tensor:
        """Prosody latents of training phones [n, code_dim], as the model makes them now."""
        rows, step = [], 0
        while sum(map(len, rows)) < self.task.latents:
            batch = move(self.batch(step), device_of(self.model))
            m = measure(batch)
            rows.append(self.model.variance.prosody(batch["mel"], m)[m.spoken])
            step += 1
        return torch.cat(rows)

    def discriminate(self, batch: dict, step: int, scratch: dict) -> dict:
        self.predict(batch, step, scratch)
        both = torch.cat([scratch["real"], scratch["fake"].detach()])
        logits, maps = self.discriminators(both, scratch["places"].repeat(2))
        scratch["real_maps"] = [[m.detach().chunk(2)[0] for m in layers] for layers in maps]
        return {"d": discriminator_loss([x.chunk(2)[0] for x in logits], [x.chunk(2)[1] for x in logits])}

    def generate(self, batch: dict, step: int, scratch: dict) -> dict:
        losses = dict(self.predict(batch, step, scratch))
        if "real_maps" in scratch:
            logits, maps = self.discriminators(scratch["fake"], scratch["places"])
            losses["adversarial"] = self.task.adversarial_weight * generator_loss(logits)
            losses["features"] = self.task.feature_weight * feature_loss(scratch["real_maps"], maps)
        return losses

    def validate(self, model, step: int) -> dict[str, float]:
        """The training losses on those utterances of the dev split whose speakers are training speakers."""
        totals, n = {}, 0
        for i in range(0, len(self.dev_keys), 8):
            rng = np.random.default_rng([self.seed, i])
            batch = move(self.collate(self.dev, self.dev_keys[i : i + 8], rng), device_of(model))
            torch.manual_seed(i)
            for name, value in model.loss(batch).items():
                totals[name] = totals.get(name, 0.0) + float(value)
            n += 1
        return {name: value / n for name, value in totals.items()}

    def media(self, model, writer, step: int) -> None:
        if not self.dev_keys or self.task.text_free:
            return
        batch = move(self.collate(self.dev, self.dev_keys[:1], np.random.default_rng(0)), device_of(model))
        mel = teacher_forced_mel(model, batch)[0]
        picture = torch.cat([batch["mel"][0], mel], dim=1).T.flip(0)
        writer.add_image("mel/predicted_above_natural", (picture + 11.5) / 14, step, dataformats="HW")


JUDGED_FRAMES = 150  # 2 s
MOST_REFERENCES = 4  # utterances that a reference may be made of


class Speakers:
    """Speaker numbers, and the training utterances of each for references."""

    def __init__(self, corpus: Corpus, frames):
        self.corpus = corpus
        self.utterances: dict[str, list[str]] = {}
        for key in sorted(frames):
            self.utterances.setdefault(corpus.utterances[key].speaker, []).append(key)
        self.numbers = {name: i for i, name in enumerate(sorted(self.utterances))}

    def reference(self, key: str, speaker: str, rng, bounds: tuple[int, int]) -> np.ndarray:
        """A crop of this speaker, of one or more other utterances when there are any: mel [T, 100]."""
        choices = [other for other in self.utterances[speaker] if other != key] or [key]
        size, pieces = int(rng.integers(*bounds)), []
        while size > 0 and len(pieces) < MOST_REFERENCES:
            mel = self.corpus.get("mel", choices[int(rng.integers(len(choices)))])
            start = int(rng.integers(0, max(0, len(mel) - size) + 1))
            pieces.append(mel[start : start + size])
            size -= len(pieces[-1])
            if len(choices) == 1 or size < bounds[0] // 2:
                break
        return np.concatenate(pieces)


def collate(corpus: Corpus, keys: list[str], speakers: Speakers, rng, bounds, warp: float = 0.0, text: bool = True) -> dict:
    """The batch that ``loss`` of the acoustic models takes: padded arrays, lengths, references; phones unless ``text`` is False.

    A share ``warp`` of the utterances is warped, reference and all; their speaker is nobody (-1).
    """
    rows = [corpus.utterances[key] for key in keys]
    warps = [draw_warp(rng, warp) for _ in keys]

    def column(name):
        return [np.asarray(corpus.get(name, key)) for key in keys]

    def warped(how, values):
        return [how(value, percent) for value, percent in zip(values, warps, strict=True)]

    mels, f0s = warped(warp_mel, column("mel")), warped(warp_f0, column("f0"))
    references = warped(warp_mel, [speakers.reference(k, r.speaker, rng, bounds) for k, r in zip(keys, rows, strict=True)])
    phones = {name: column(name) for name in ("ids", "styles", "langs", "durations")} if text else {}
    batch = {name: pad(values, np.int64) for name, values in phones.items()}
    if text:
        batch["text_lengths"] = lengths(phones["ids"])
    return {
        "keys": keys,
        **batch,
        "mel": pad(mels, np.float32, np.log(1e-5)),
        "frame_lengths": lengths(mels),
        "log_f0": pad([interpolate_log_f0(f0) for f0 in f0s], np.float32),
        "voiced": pad([f0 > 0 for f0 in f0s], np.float32),
        "reference": pad(references, np.float32),
        "reference_lengths": lengths(references),
        "speaker": torch.tensor([-1 if p else speakers.numbers[row.speaker] for row, p in zip(rows, warps, strict=True)]),
        "bandwidth": torch.tensor(warped(warp_bandwidth, [float(row.bandwidth_hz) for row in rows])),
    }


def dropped(folder: Path) -> list[str]:
    """Utterances that the alignment stage found unusable."""
    path = folder / "dropped.tsv"
    return [line.split("\t")[0] for line in path.read_text(encoding="utf-8").splitlines()[1:]] if path.exists() else []


def repeats(corpus: Corpus, frames: dict[str, int], power: float, speaker_power: float = 1.0) -> dict[str, float]:
    """How often an epoch shows each utterance: languages weigh by (share of frames) ** power, so do a language's speakers.

    The weight of its row counts beside that.
    """

    def shares(group):
        totals: dict = {}
        for key, n in frames.items():
            totals[group(key)] = totals.get(group(key), 0) + n
        return totals

    if not frames:
        return {}

    def language(key):
        return corpus.utterances[key].language

    def speaker(key):
        return corpus.utterances[key].speaker

    languages, speakers, total = shares(language), shares(speaker), sum(frames.values())
    within = {key: (speakers[speaker(key)] / languages[language(key)]) ** (speaker_power - 1) for key in frames}
    heard = dict.fromkeys(languages, 0.0)
    for key, n in frames.items():
        heard[language(key)] += within[key] * n
    weight = {lang: (n / total) ** power for lang, n in languages.items()}
    mean = sum(weight.values()) / total
    return {key: corpus.utterances[key].weight * weight[language(key)] * within[key] / heard[language(key)] / mean
            for key in frames}  # fmt: skip


def teacher_forced_mel(model, batch: dict):
    """Predicted mel [B, T, 100] on the natural durations, pitch and energy."""
    conditions, _, cond, tokens, _ = model.variance.training_pass(batch)
    mask = length_mask(batch["frame_lengths"], batch["mel"].shape[1])
    return model.decode(conditions, mask, cond, tokens)[0]


def predict_mels(folder, dump, out, utterances: int = 2500, seed: int = 0) -> int:
    """Teacher-forced mels of training utterances into a store: what the vocoder is fine-tuned on. Returns how many.

    Recordings below 24 kHz are left out: the model speaks full band, they do not.
    """
    from tts.models import load_acoustic

    model, _ = load_acoustic(folder)
    if model.kind == "zmm1":
        from recipes.train import vec2mel

        return vec2mel.predict_mels(folder, dump, out, utterances, seed)
    corpus = Corpus(Path(dump) / "train", drop=dropped(Path(dump) / "train"))
    usable = [k for k in corpus.keys if k in corpus.store("durations") and corpus.utterances[k].bandwidth_hz >= 11_000]
    speakers = Speakers(corpus, usable)
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.permutation(usable)[:utterances], key=corpus.frames)
    with StoreWriter(out, "mel", "float16", N_MELS) as store, torch.inference_mode():
        for i in range(0, len(chosen), 8):
            keys = [str(key) for key in chosen[i : i + 8]]
            torch.manual_seed(i)
            mels = teacher_forced_mel(model, collate(corpus, keys, speakers, rng, AcousticTask().reference_frames))
            for key, mel in zip(keys, mels, strict=True):
                store.add(key, mel[: corpus.frames(key)].numpy())
    return len(chosen)


def build(kind: str, dump, overrides: dict | None = None, sizes: dict | None = None, start=None, prosody: dict | None = None):
    """A fresh model of a kind for a corpus.

    Args:
        overrides, sizes: Of its text configuration, and of its own.
        prosody: Fields of the ``ProsodyConfig`` of a ``megatts``.
        start: Folder of the model whose tensors it will take over: a ``flow`` leaves the regression as it is there, an
            ``infill`` the text side, whose sizes it takes.
    """
    from frontend import inventory

    corpus, sizes = Corpus(Path(dump) / "train"), sizes or {}
    text = TextConfig(n_symbols=inventory.size(), languages=language_ids(corpus), **(overrides or {}))
    variance = VarianceConfig(text=text, n_speakers=len({row.speaker for row in corpus.utterances.values()}))
    if kind == "infill" and start:
        variance = replace(variance_of(start), n_speakers=variance.n_speakers)
    if prosody and kind != "megatts":
        raise UsageError(f"a {kind} has no prosody codes.", where="section prosody", fix="Leave it out, or train a megatts.")
    model_class, config_class = model_classes(kind)
    parts = {
        "flow": {"prior": Fs2Config(variance=variance), "freeze_prior": bool(start)},
        "infill": {"variance": variance, "freeze_variance": bool(start)},
    }.get(kind, {"variance": variance})
    if prosody:
        from tts.models.megatts import prosody_config

        parts["prosody"] = prosody_config(prosody)
    return model_class(from_dict(config_class, to_dict(config_class(**parts)) | sizes, "section model"))


def variance_of(folder) -> VarianceConfig:
    """Sizes of the text side of a model folder."""
    from vocoder.nn.checkpoint import load_config

    model = load_config(folder, "acoustic")["model"]
    return from_dict(VarianceConfig, model.get("prior", model)["variance"], str(folder))


def language_ids(corpus: Corpus) -> tuple[int, ...]:
    from frontend.languages import resolve

    return tuple(sorted({resolve(row.language).id for row in corpus.utterances.values()}))


def main(
    dump,
    exp,
    minutes: float,
    model: str = "fs2",
    device: str = "cpu",
    task: AcousticTask = AcousticTask(),
    config: TrainConfig | None = None,
    overrides: dict | None = None,
    warm_start=None,
    max_steps: int | None = None,
    sizes: dict | None = None,
    prosody: dict | None = None,
) -> int:
    """Train or resume; returns the step reached. ``warm_start``: a model folder whose shared tensors are taken over; ``sizes``,
    ``prosody``: as in :func:`build`.

    A ``flow`` learns the residual of an ``fs2``: of the one it starts from, which then stays as it is, or else of its
    own, which it trains at the same time. An ``infill`` takes the text side of an ``fs2`` or ``megatts`` in the same way.
    """
    if model in ("flow", "infill") and (task.adversarial_from is not None or task.speaker_weight):
        raise UsageError("judges of the mel train fs2 and megatts only.", where="task", fix="Leave adversarial_from and "
                         "speaker_weight out.")  # fmt: skip
    if task.text_free and model != "infill":
        raise UsageError(f"{model} needs text.", where="task.text_free", fix="Leave text_free out, or train an infill.")
    config = config or TrainConfig(learning_rate=8e-4, warmup_steps=500)
    net = build(model, dump, overrides, sizes, warm_start, prosody)
    if warm_start:
        take_over(net, warm_start)
    record_model(exp, "acoustic", net.config, net.kind, warm_start)
    job = AcousticTraining(dump, net, task, config.seed)
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]


def take_over(net, folder) -> int:
    """Copy tensors of equal name and shape from a model folder (an ``fs2`` into a ``flow``'s prior); returns how many.

    Raises:
        ModelError: what will not be trained would be incomplete.
    """
    from vocoder.nn.checkpoint import load_model

    config, tensors = load_model(folder, "acoustic")
    if net.kind == "flow" and config["architecture"] == "fs2":  # its prior, and a start for its own decoder
        decoder = {name: t for name, t in tensors.items() if name.startswith(("blocks.", "attend.", "norm."))}
        tensors = {f"prior.{name}": tensor for name, tensor in tensors.items()} | decoder
    own = net.state_dict()
    fitting = {k: v for k, v in tensors.items() if k in own and own[k].shape == v.shape}
    frozen = {name.partition(".")[0] for name, parameter in net.named_parameters() if not parameter.requires_grad}
    needed = [k for k in own if k.partition(".")[0] in frozen and "speakers." not in k]  # speakers: of training only
    lost = [k for k in needed if k not in fitting]
    if lost:
        raise ModelError(f"{len(lost)} tensors do not fit what the new model leaves as it is (first: {lost[0]}).", where=folder,
                         fix="Give the new model the sizes of the one it starts from.", code="model.prior")  # fmt: skip
    own.update(fitting)
    net.load_state_dict(own)
    return len(fitting)
