"""The shape of the project, held by its imports."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("tts", "codec", "frontend", "vocoder", "recipes")
LAYERS = {
    "tts.base": set(),
    "frontend": {"tts.base"},
    "vocoder": {"tts.base"},
    "codec": {"tts.base", "vocoder"},
    "tts": {"tts.base", "frontend", "vocoder", "codec"},
    "recipes": {"tts.base", "frontend", "vocoder", "codec", "tts"},
}
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = {"torch", "scipy", "soundfile", "phonemizer", "numba", "triton", "soxr", "pyworld", "safetensors", "lightning_fabric"}
HEAVY |= {"starlette", "uvicorn"}


def layer(name: str) -> str | None:
    if name == "tts.base" or name.startswith("tts.base."):
        return "tts.base"
    top = name.split(".")[0]
    return top if top in PACKAGES else None


def imports(path: Path):
    """(line, dotted name) of everything a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def users_of(name: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in FILES for _, found in imports(path) if found.split(".")[0] == name}


def test_packages_import_only_downwards():
    breaches = []
    for path in FILES:
        here = layer(module_of(path))
        for line, name in imports(path):
            there = layer(name)
            if there and there != here and there not in LAYERS[here]:
                breaches.append(f"{path.relative_to(ROOT)}:{line}: {here} imports {name}")
    assert FILES and not breaches, "\n".join(breaches)


def test_a_breach_would_be_seen(tmp_path):
    (tmp_path / "x.py").write_text("def f():\n    from recipes import batch\n")
    assert [layer(name) for _, name in imports(tmp_path / "x.py")] == ["recipes"] and "recipes" not in LAYERS["vocoder"]


def test_the_leaf_needs_only_numpy_and_the_standard_library():
    foreign = {
        (str(path.name), name)
        for path in (ROOT / "tts/base").rglob("*.py")
        for _, name in imports(path)
        if name.split(".")[0] not in {*sys.stdlib_module_names, "numpy", "tts"}
    }
    assert not foreign


def test_third_party_packages_stay_behind_their_one_file():
    assert users_of("phonemizer") == {"frontend/espeak.py"}
    assert users_of("pyworld") <= {"vocoder/audio/f0.py"}
    assert all("/kernels/" in file for file in users_of("triton") | users_of("numba"))
    assert not users_of("torchaudio") and not users_of("pickle")


def test_frontend_knows_no_torch():
    assert not {file for name in ("torch", "vocoder", "safetensors") for file in users_of(name) if file.startswith("frontend/")}


def test_everything_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    names = {re.match(r"[A-Za-z0-9._-]+", line)[0].lower().replace("_", "-") for line in declared}
    modules = {
        "unicode-rbnf": "unicode_rbnf",
        "lightning-fabric": "lightning_fabric",
        "espeakng-loader": "espeakng_loader",
        "setuptools": "pkg_resources",
        "pyyaml": "yaml",
    }
    allowed = {modules.get(name, name.replace("-", "_")) for name in names}
    found = {name.split(".")[0]: f"{path.relative_to(ROOT)}:{line}" for path in FILES for line, name in imports(path)}
    missing = {name: where for name, where in found.items() if name not in {*sys.stdlib_module_names, *PACKAGES, *allowed}}
    assert not missing


@pytest.mark.parametrize(
    "program",
    [
        "import tts",
        "import frontend",
        "import codec; codec.Codes, codec.TokenReader",
        "import tts.registry, tts.doctor",
        "import tts.cli; tts.cli.run(['--help'])",
        "import tts.cli; tts.cli.run(['synth', '--help'])",
        "import tts.cli; tts.cli.run(['book', '--help'])",
        "import tts.cli; tts.cli.run(['serve', '--help'])",
        "import tts.cli; tts.cli.run(['limits'])",
        "import tts.cli; tts.cli.run(['codec', 'encode', '--help'])",
        "import tts.cli; assert tts.cli.run(['codec', 'info', 'tests/golden/tokens/speech.ptok']) == 0",
        "import tts.cli; tts.cli.run(['--version'])",
    ],
)
def test_light_commands_load_nothing_heavy(program):
    """Also: importing changes no random state, environment variable, signal handler or log handler."""
    code = f"""
import logging, os, random, signal, sys

def state():
    return dict(os.environ), random.getstate(), signal.getsignal(signal.SIGTERM), list(logging.getLogger().handlers)

before = state()
{program}
assert state() == before
print("HEAVY", sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_public_names_are_sorted_and_exist():
    import importlib

    for package in PACKAGES:
        module = importlib.import_module(package)
        names = list(getattr(module, "__all__", []))
        assert names == sorted(names), package
        assert all(hasattr(module, name) for name in names), package


def test_no_print_in_libraries_and_no_assert_for_user_input():
    told = []
    for path in FILES:
        if path.is_relative_to(ROOT / "recipes") or path.name == "g2p_worker.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                told.append(f"{path.relative_to(ROOT)}:{node.lineno}: print")
            if isinstance(node, ast.Raise) and getattr(getattr(node.exc, "func", None), "id", "") == "ValueError":
                told.append(f"{path.relative_to(ROOT)}:{node.lineno}: bare ValueError")
    assert not told, "\n".join(told)


def test_nothing_writes_files_past_the_atomic_helper():
    """``open(..., "w")``, ``np.save``, ``torch.save``, ``write_text`` and friends leave half a file when they die.

    Recipes have folders of many files, which they publish as a whole in their own way.
    """
    told = []
    for path in FILES:
        if path == ROOT / "tts/base/files.py" or path.is_relative_to(ROOT / "recipes"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            mode = next(
                (
                    a.value
                    for a in [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode")]
                    if isinstance(a, ast.Constant) and isinstance(a.value, str)
                ),
                "r",
            )
            writes = (name == "open" and set(mode) & set("wx")) or name in ("np.save", "torch.save", "soundfile.write")
            if writes or name.endswith((".write_text", ".write_bytes")):
                told.append(f"{path.relative_to(ROOT)}:{node.lineno}: {name}")
    assert not told, "\n".join(told)


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    try:
        installed = importlib.metadata.version("parlance-tts")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("run from a checkout that is not installed")
    assert installed == project["version"]
