"""The leaf under every package: standard library and numpy only, nothing of ours above it is imported.

    errors       the one error family: what, where, fix, exit code
    files        atomic writes, strict UTF-8 reading
    limits       every size, time and range limit, once
    rng          seeded random numbers without global state
    strict_json  JSON that refuses what two readers could understand differently

Example:
    >>> from tts.base.rng import normal
    >>> normal(0, ("noise", 3), (2,)).dtype
    dtype('float32')
"""
