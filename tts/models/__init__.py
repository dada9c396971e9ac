"""Acoustic models. One interface: ``loss(batch)`` for training; ``variance.plan`` and ``infer`` for speech."""

from __future__ import annotations


def load_acoustic(folder):
    """(model, config) of an acoustic model folder of any kind.

    Raises:
        ModelError, NoInputError: the folder is no acoustic model, or damaged.
    """
    from frontend import inventory
    from tts.base.errors import ModelError
    from vocoder.nn.checkpoint import build, load_into, load_model
    from vocoder.nn.config import from_dict

    config, tensors = load_model(folder, "acoustic")
    if config.get("architecture") in ("zmm1", "zmm2"):
        from tts.models.zmm import load_zmm

        return load_zmm(folder, config, tensors)
    model_class, config_class = model_classes(config.get("architecture"))
    model = build(model_class, from_dict(config_class, config.get("model"), str(folder)))
    if model.kind == "masked":
        model.gather(folder)
    if config.get("inventory") != inventory.digest(model.variance.config.text.n_symbols):
        raise ModelError("the model was trained with another phone inventory.", where=folder, code="model.inventory")
    load_into(model, tensors, str(folder))
    if hasattr(model, "solvers"):
        from tts.models import solver

        model.solvers = solver.load(folder, config["model_id"])
    return model.eval(), config


def model_classes(architecture: str):
    """Model and config class of "fs2", "flow", "infill", "masked" or "megatts"."""
    from tts.base.errors import ModelError

    if architecture == "fs2":
        from tts.models.fs2 import Fs2, Fs2Config

        return Fs2, Fs2Config
    if architecture == "flow":
        from tts.models.flow import Flow, FlowConfig

        return Flow, FlowConfig
    if architecture == "infill":
        from tts.models.infill import Infill, InfillConfig

        return Infill, InfillConfig
    if architecture == "masked":
        from tts.models.masked_tts import MaskedTts, MaskedTtsConfig

        return MaskedTts, MaskedTtsConfig
    if architecture == "megatts":
        from tts.models.megatts import Megatts, MegattsConfig

        return Megatts, MegattsConfig
    raise ModelError(f"architecture {architecture!r} is unknown.",
                     fix="Known: fs2, flow, infill, masked, megatts, zmm1, zmm2. A newer parlance may know it.")  # fmt: skip
