"""Other packages that do what an op of ours does, for ``tests/kernels/bench.py``: each is measured where it is installed.

A baseline is (packages that it needs, function that makes it, given a device); what it makes takes the inputs of the op. Weights
are random, only speed is compared; what a package does besides its op is left out where its interface allows that.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor

Baseline = tuple[tuple[str, ...], Callable]


def missing(packages: tuple[str, ...]) -> bool:
    return any(importlib.util.find_spec(package) is None for package in packages)


def residual_vq(n_q: int, dim: int, size: int) -> dict[str, Baseline]:
    """[N, dim] -> codes by ``n_q`` stages of full width."""

    def lucidrains(device):
        from vector_quantize_pytorch import ResidualVQ

        quantizer = ResidualVQ(dim=dim, num_quantizers=n_q, codebook_size=size).to(device).eval()
        return lambda latent, *_: quantizer(latent[None])[1]

    def encodec(device):
        from encodec.quantization.core_vq import ResidualVectorQuantization

        quantizer = ResidualVectorQuantization(num_quantizers=n_q, dim=dim, codebook_size=size, kmeans_init=False)
        quantizer = quantizer.to(device).eval()
        return lambda latent, *_: quantizer.encode(latent.T[None])

    return {
        "vector-quantize-pytorch": (("vector_quantize_pytorch",), lucidrains),
        "encodec": (("encodec",), encodec),
    }


def flat_search(book: Tensor) -> dict[str, Baseline]:
    """[N, dim] -> the nearest of one book, on a CPU."""

    def faiss(device):
        import faiss

        index = faiss.IndexFlatL2(book.shape[1])
        index.add(book.numpy())
        return lambda latent, *_: index.search(latent.numpy(), 1)[1]

    return {"faiss": (("faiss",), faiss)}


def factorized_vq(n_q: int, dim: int, size: int, code_dim: int) -> dict[str, Baseline]:
    """[N, dim] -> codes by ``n_q`` stages of ``code_dim``; vector-quantize-pytorch projects once, before all stages."""

    def descript(device):
        from dac.nn.quantize import ResidualVectorQuantize

        quantizer = ResidualVectorQuantize(input_dim=dim, n_codebooks=n_q, codebook_size=size, codebook_dim=code_dim)
        quantizer = quantizer.to(device).eval()
        return lambda latent: quantizer(latent.T[None])[1]

    def lucidrains(device):
        from vector_quantize_pytorch import ResidualVQ

        kind = dict(codebook_dim=code_dim, use_cosine_sim=True)
        quantizer = ResidualVQ(dim=dim, num_quantizers=n_q, codebook_size=size, **kind).to(device).eval()
        return lambda latent: quantizer(latent[None])[1]

    return {
        "descript-audio-codec": (("dac",), descript),
        "vector-quantize-pytorch": (("vector_quantize_pytorch",), lucidrains),
    }


def snake() -> dict[str, Baseline]:
    def descript(device):
        from dac.nn.layers import snake as activate

        return lambda x, alpha: activate(x, alpha[None, :, None])

    return {"descript-audio-codec": (("dac",), descript)}


def fourier_decoder(model) -> dict[str, Baseline]:
    """Log-mel [1, T, 100] and F0 -> samples, by a network of the size of ``model`` (a ``FourierVocoder`` of form ``mel``)."""
    config = model.config

    def vocos(device):
        from vocos.heads import ISTFTHead
        from vocos.models import VocosBackbone

        trunk = VocosBackbone(100, config.dim, config.hidden, config.n_blocks).to(device).eval()
        head = ISTFTHead(config.dim, 1280, 320, padding="same").to(device).eval()
        return lambda mel, f0: head(trunk(mel.mT))

    def onnxruntime(device):
        import onnxruntime as ort

        from vocoder.audio.spectrum import istft
        from vocoder.kernels.fourier_head import polar_spectrum

        class Outputs(torch.nn.Module):
            def forward(self, mel, f0):
                return model.head(model.trunk(mel, f0))

        frames = torch.export.Dim("frames", min=2)
        shapes = {"mel": {1: frames}, "f0": {1: frames}}
        example = torch.zeros(1, 75, 100), torch.zeros(1, 75)
        made = torch.onnx.export(Outputs().eval(), example, dynamo=True, dynamic_shapes=shapes, verbose=False)
        options = ort.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = ort.InferenceSession(made.model_proto.SerializeToString(), options)
        names = [given.name for given in session.get_inputs()]  # the mel form does not look at F0

        def decode(mel, f0):
            given = {"mel": mel.numpy(), "f0": f0.numpy()}
            return istft(polar_spectrum(torch.from_numpy(session.run(None, {name: given[name] for name in names})[0])))

        return decode

    return {"vocos": (("vocos",), vocos), "onnxruntime": (("onnx", "onnxscript", "onnxruntime"), onnxruntime)}
