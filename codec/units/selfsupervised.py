"""Extractors by the package transformers: layers of HuBERT, WavLM, wav2vec 2.0 and XLS-R, and the codes of XLSR-53.

The convolutions in front of these models hear 400 samples and step by 320, at 16 kHz: 50 features a second. With 40 zeros at
both ends feature i is centred on sample (i + 1/2) 320, and one second gives 50 features. Without them, as the models' own
packages do, it gives 49 and they sit 2.5 ms later.

transformers is no dependency of parlance: it is imported here, when the user has it. Nothing is downloaded unasked.
"""

from __future__ import annotations

from importlib import import_module

import torch
import torch.nn.functional as F

from codec.units.extractor import UnitExtractor
from tts.base.errors import DataError, ModelError, UnavailableError, UsageError


class SelfSupervised(UnitExtractor):
    """What the kinds share: loading, the clock, and samples as the model wants them. Kinds define ``read``.

    Args:
        kind: First part of the name.
        place: Folder with config.json and weights, or a hub's id; rest: what the name says behind it.
        architecture: Class of transformers that is loaded.
        download: Whether a hub may be asked; False reads folders and what was downloaded before.
        options: Further ones of ``from_pretrained``.

    Raises:
        UnavailableError: transformers is not installed, or finds no such model.
        DataError: The model does not begin with such convolutions.
    """

    def __init__(self, kind: str, place: str, rest: str, architecture: str, download: bool, **options):
        self.name = f"{kind}:{place}{rest}"
        try:
            transformers = import_module("transformers")
        except ImportError as error:
            raise UnavailableError("transformers is not installed.", where=self.name, code="units.transformers",
                                   fix="pip install transformers") from error  # fmt: skip
        try:
            loaded = getattr(transformers, architecture).from_pretrained(place, local_files_only=not download, **options)
            before = transformers.AutoFeatureExtractor.from_pretrained(place, local_files_only=not download)
        except (OSError, ValueError) as error:
            raise UnavailableError(f"no model was found: {str(error).splitlines()[0][:200]}", where=self.name,
                                   code="units.missing",
                                   fix="Give a folder with a model, or allow downloads: download=True, "
                                       "in training --set task.download_teacher=true.") from error  # fmt: skip
        model, self.loading = loaded if options.get("output_loading_info") else (loaded, None)
        self.model = model.float().eval().requires_grad_(False)
        self.sample_rate, self.normalised = before.sampling_rate, bool(getattr(before, "do_normalize", False))
        self.window = self.stride = 1  # samples that a feature hears, and from one to the next
        config = self.model.config
        for kernel, stride in zip(getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ()), strict=False):
            self.window += (kernel - 1) * self.stride
            self.stride *= stride
        if not 1 < self.stride <= self.window:
            raise DataError("it has no convolutions over samples in front.", where=self.name, code="units.frames",
                            fix="Use HuBERT, WavLM, wav2vec 2.0 or XLS-R.")  # fmt: skip
        self.frame_rate = self.sample_rate / self.stride

    def run(self, wav):
        if self.normalised:
            wav = (wav - wav.mean(1, keepdim=True)) / (wav.var(1, keepdim=True, unbiased=False) + 1e-7).sqrt()
        short = max(0, self.stride - wav.shape[1])
        around = self.window - self.stride
        self.model.to(wav.device)
        return self.read(F.pad(wav, (around // 2, around - around // 2 + short)))

    def read(self, wav):
        """[B, S'] normalised and padded -> [B, N, dim]."""
        raise NotImplementedError


class TransformersUnits(SelfSupervised):
    """``transformers:PLACE``: the mean over all hidden states of a model; ``transformers:PLACE#9``: its layer 9.

    Layer L is the output of the L-th transformer layer, 0 what enters the first: the count of HuBERT, whose second k-means
    hears layer 6, the third layer 9.

    Sources: X-Codec (arXiv 2408.17175 §3), the mean over all layers of HuBERT; HuBERT (arXiv 2106.07447 §IV-B), one layer.

    Raises:
        UsageError: The model has no such layer.
    """

    def __init__(self, place: str, download: bool = False):
        folder, hash_mark, layer = place.rpartition("#")
        if not (hash_mark and layer.isdecimal()):
            folder, layer = place, ""
        super().__init__("transformers", folder, layer and f"#{layer}", "AutoModel", download)
        self.dim, self.layer = self.model.config.hidden_size, None
        if layer:
            self.layer, layers = int(layer), self.model.encoder.layers
            if self.layer > len(layers):
                raise UsageError(f"the model has {len(layers)} layers.", where=self.name, code="units.layer",
                                 fix=f"Choose 0 to {len(layers)}.")  # fmt: skip
            # one more than is read: some models normalise what leaves the last
            self.model.encoder.layers = layers[: self.layer + 1]

    def read(self, wav):
        hidden = self.model(wav, output_hidden_states=True).hidden_states
        return torch.stack(hidden).mean(0) if self.layer is None else hidden[self.layer]


class XlsrUnits(SelfSupervised):
    """``xlsr:PLACE``: the codes that wav2vec 2.0 was pre-trained to predict, of XLSR-53: 2 groups of 320, 384 channels each.

    Features are those of the convolutions, normalised; the code of a group is the largest of its 320 logits, a linear map of
    the feature. The transformer layers are not needed and not kept.

    Sources: wav2vec 2.0 (arXiv 2006.11477 §2, product quantisation), XLSR (arXiv 2006.13979); as units for synthesis: ZMM-TTS
    (arXiv 2312.14398 §III-A).

    Raises:
        ModelError: The folder holds no such quantiser, as one that was fine-tuned to recognise speech, or a HuBERT.
    """

    def __init__(self, place: str, download: bool = False):
        super().__init__("xlsr", place, "", "Wav2Vec2ForPreTraining", download, output_loading_info=True)
        missing = sorted(k for k in self.loading["missing_keys"] if k.startswith(("quantizer.", "wav2vec2.feature_")))
        if missing:
            raise ModelError(f"no wav2vec 2.0 with its pre-training quantiser: {missing[0]} is missing.", where=self.name,
                             code="units.no_quantiser",
                             fix="Use the pre-trained model, for example wav2vec2-large-xlsr-53.")  # fmt: skip
        config = self.model.config
        self.dim, self.model.wav2vec2.encoder = config.conv_dim[-1], None
        books = self.model.quantizer.codevectors.detach()
        self.codebooks = books.view(config.num_codevector_groups, config.num_codevectors_per_group, -1)

    def read(self, wav):
        front = self.model.wav2vec2
        return front.feature_projection.layer_norm(front.feature_extractor(wav).transpose(1, 2))

    def quantise(self, features):
        logits = self.model.quantizer.weight_proj(features)
        return logits.unflatten(2, self.codebooks.shape[:2]).argmax(3)
