"""The arrows of the architecture, proved from the syntax trees: who may import whom."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each part of hub_config may import, of hub_config. `cli` and `machine` run the platform.
BASE = {"clock", "errors", "db", "settings", "language"}
SLICES = {"groups", "offers", "network", "gpus", "usage", "queueing", "containers", "invites"}
SLICES |= {"teaching"}
HUB_ARROWS: dict[str, set[str]] = {
    "clock": set(),
    "errors": set(),
    "db": {"clock", "errors"},
    "settings": {"clock", "errors"},
    "language": {"errors"},
    "migrations": {"db"},
    "groups": BASE,
    "offers": BASE,
    "network": BASE,
    "gpus": BASE | {"groups", "offers"},
    "usage": BASE | {"groups", "gpus"},
    "queueing": BASE | {"groups", "offers", "gpus", "usage"},
    "containers": BASE | {"gpus"},
    "invites": BASE | {"groups", "gpus"},
    "teaching": BASE | {"groups", "offers"},
    "spawning": BASE | SLICES,
    "keeper": BASE | SLICES,
    "portal": BASE | SLICES,
    "machine": BASE | SLICES,
    "jupyterhub_config": BASE | SLICES | {"spawning"},
    "cli": BASE | SLICES | {"machine"},
}
OURS = {"hub_config", "dicom_catalog", "dicom_synthetic", "dicom_archive", "course_kit"}
DATASET_ARROWS: dict[str, set[str]] = {
    "dicom_catalog": set(),
    "dicom_synthetic": {"dicom_catalog"},
    "dicom_archive": {"dicom_catalog", "dicom_synthetic"},
    "course_kit": {"dicom_catalog"},
}
OUTSIDE_FOR_HUB = {
    "cli": {"dicom_archive", "dicom_catalog"},
    "machine": {"dicom_archive", "dicom_catalog"},
}


def modules(folder: Path) -> Iterator[Path]:
    return iter(sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts))


def imported(path: Path) -> Iterator[str]:
    """Every dotted name that the file imports, with the imported names appended."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write it absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "hub_config").parts[0].removesuffix(".py")


def hub_parts(path: Path) -> set[str]:
    """The parts of hub_config that the file imports."""
    found = set()
    for name in imported(path):
        pieces = name.split(".")
        if pieces[0] == "hub_config" and len(pieces) > 1:
            found.add(pieces[1])
    return found


def test_hub_config_imports_point_one_way() -> None:
    wrong = []
    for path in modules(ROOT / "hub_config"):
        part = part_of(path)
        if part == "__init__":
            continue
        assert part in HUB_ARROWS, f"{part}: a new part of hub_config needs its arrows here"
        for other in hub_parts(path) - HUB_ARROWS[part] - {part}:
            wrong.append(f"{path.relative_to(ROOT)} imports hub_config.{other}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", DATASET_ARROWS)
def test_packages_of_datasets_and_courses_import_one_way(package: str) -> None:
    folders = [*(ROOT / "datasets").glob(f"*/{package}"), *(ROOT / "courses").glob(f"*/{package}")]
    assert folders, f"{package} is gone"
    for path in modules(folders[0]):
        for name in imported(path):
            top = name.split(".")[0]
            if top in OURS:
                assert top in DATASET_ARROWS[package] | {package}, f"{path} imports {top}"


def test_hub_config_reaches_datasets_only_where_the_arrows_say() -> None:
    for path in modules(ROOT / "hub_config"):
        allowed = OUTSIDE_FOR_HUB.get(part_of(path), set())
        tops = {name.split(".")[0] for name in imported(path)}
        assert not (tops & (OURS - {"hub_config"})) - allowed, path


def test_notebooks_import_of_our_code_only_what_students_have() -> None:
    for path in (ROOT / "courses").glob("[0-9]*/**/*.py"):
        tops = {name.split(".")[0] for name in imported(path)}
        assert not tops & {"hub_config", "dicom_archive"}, path


def test_nothing_imports_the_tests() -> None:
    for folder in ("hub_config", "datasets", "courses", "images"):
        for path in modules(ROOT / folder):
            assert "tests" not in {name.split(".")[0] for name in imported(path)}, path


def test_rules_touch_no_clock_file_network_or_database() -> None:
    forbidden = {"sqlalchemy", "docker", "httpx", "requests", "socket", "subprocess", "os", "time"}
    for path in modules(ROOT / "hub_config"):
        if path.name == "rules.py":
            tops = {name.split(".")[0] for name in imported(path)}
            assert not tops & forbidden, f"{path} imports {tops & forbidden}"
            assert not hub_parts(path) & {"clock", "db", "settings"} - {"settings"}, path


def test_no_module_bears_a_standard_library_name() -> None:
    for folder in ("hub_config", "datasets", "courses"):
        for path in modules(ROOT / folder):
            if path.parent == ROOT / "hub_config" or "dicom_" in path.parent.name:
                assert path.stem not in sys.stdlib_module_names, path


def test_datasets_images_and_courses_are_not_packages() -> None:
    for folder in ("datasets", "images", "courses"):
        assert not (ROOT / folder / "__init__.py").exists()
