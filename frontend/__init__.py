"""Text to phones, for every language of espeak-ng; no torch.

    >>> import frontend
    >>> analysis = frontend.analyze("Dr. Meyer zahlt 3,50 € für den [iPhone](/ˈaɪfoʊn/)-Adapter.", "de")
    >>> [clause.normalized for clause in analysis.clauses]
    ['Doktor Meyer zahlt drei Euro fünfzig für den iPhone-Adapter.']
"""

from __future__ import annotations

from importlib import import_module

from frontend.languages import languages as languages  # eager: it shares its name with its module

_HOMES = {
    "Analysis": "frontend.analysis",
    "Lexicon": "frontend.lexicon",
    "Note": "frontend.types",
    "Phones": "frontend.types",
    "Reading": "frontend.analysis",
    "Word": "frontend.types",
    "analyze": "frontend.analysis",
    "analyze_many": "frontend.analysis",
    "process": "frontend.analysis",
    "read": "frontend.analysis",
}

__all__ = sorted([*_HOMES, "languages"])


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'frontend' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
