"""Features of speech that say what is spoken, for the semantic path of the codec; and discrete units of it.

    from codec.units.extractor import unit_extractor

    extractor = unit_extractor("transformers:/models/wavlm-base-plus")
    extractor.features(wav)              # [B, S] at 24 kHz -> [B, S / 320, extractor.dim]
    unit_extractor("house").units(wav)   # [B, S] -> int64 [B, U, 2], 37.5 a second
"""
