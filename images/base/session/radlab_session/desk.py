"""Lays a course module on the student's desk: a copy of it in the home, the student's own.

A module version lies read-only under `/modules/<id>/<version>/`. Its copy is `~/<id>/`; where that
exists already with another version, or is a folder of the student's own, the copy is
`~/<id>-<version>/`, with a note of what has changed. A copy is made once and never written again,
so no work is lost; only where no notebook is left in it, those of the module are laid there anew.
Where the home takes no copy (it is full), the read-only module itself is opened.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

MODULES = Path("/modules")
VERSION_FILE = ".radlab-version"
METADATA = "module.json"
NOTE = "NEW_VERSION.md"
BACKUP = ".backup-"
_NOTES = {
    "en": """# {title}: version {version}

This is a new version of the module. Your own work is as you left it in `{before}/`: nothing of it
was changed, and you can go on there. To begin with the new version, open `{notebook}` here.

## What has changed

{changes}
""",
    "zh_CN": """# {title}：版本 {version}

这是该模块的新版本。您自己的工作仍原样保存在 `{before}/` 中：没有任何改动，您可以继续在那里学习。
如要使用新版本，请打开此文件夹中的 `{notebook}`。

## 有哪些变化

{changes}
""",
}
_UNTOLD = {"en": "Its authors left no note.", "zh_CN": "作者没有留下说明。"}


@dataclass(frozen=True)
class Desk:
    """The folder to open, its first notebook, and what the student should be told."""

    folder: Path | None
    notebook: Path | None
    notice: str | None = None


def lay(module: str, version: str, language: str, home: Path, modules: Path = MODULES) -> Desk:
    """The desk for `module` at `version`.

    `notice` is `module_missing`, `module_read_only`, or `module_new_version` when a new version is
    laid beside the old one.
    """
    if not module:
        return Desk(None, None)
    source = modules / module / version
    if not (plain(module) and plain(version)) or not source.is_dir():
        return Desk(None, None, "module_missing")
    try:
        folder, fresh = _own_copy(source, module, version, home)
        if not fresh:
            _lay_notebooks(source, folder)
    except OSError:
        return Desk(source, _notebook(source, source, language), "module_read_only")
    new = fresh and folder.name != module and _version(home / module) is not None
    if new:
        _leave_note(folder, module, version, language)
    notice = "module_new_version" if new else None
    return Desk(folder, _notebook(folder, source, language), notice)


def plain(part: str) -> bool:
    """Whether `part` is one name of a path, which leads nowhere else."""
    return bool(re.fullmatch(r"[\w.+-]+", part) and part.strip("."))


def _own_copy(source: Path, module: str, version: str, home: Path) -> tuple[Path, bool]:
    """The copy in the home, and whether it was made now."""
    for target in (home / module, home / f"{module}-{version}"):
        if not target.exists():
            _copy(source, target, version)
            return target, True
        if _version(target) == version:
            return target, False
    return home / f"{module}-{version}", False


def _lay_notebooks(source: Path, folder: Path) -> None:
    """Lay the module's notebooks into a copy that has none left."""
    if folder.is_dir() and not own_notebooks(folder):
        for notebook in source.glob("*.ipynb"):
            shutil.copyfile(notebook, folder / notebook.name)


def _leave_note(folder: Path, module: str, version: str, language: str) -> None:
    """Say beside the new version what has changed; a desk without the note is one all the same."""
    try:
        facts = json.loads((folder / METADATA).read_text(encoding="utf-8"))
        told = _NOTES.get(language, _NOTES["en"]).format(
            title=_said(facts.get("title"), language) or module,
            version=version,
            before=f"~/{module}",
            notebook=getattr(_notebook(folder, folder, language), "name", ""),
            changes=_said(facts.get("changes"), language) or _said(_UNTOLD, language),
        )
        (folder / NOTE).write_text(told, encoding="utf-8")
    except (OSError, ValueError, AttributeError):
        return


def _said(texts: object, language: str) -> str:
    """The text in that language, else in English; "" where there is none."""
    if not isinstance(texts, dict):
        return ""
    return str(texts.get(language) or texts.get("en") or "").strip()


def _version(folder: Path) -> str | None:
    try:
        return (folder / VERSION_FILE).read_text().strip()
    except OSError:
        return None


def _copy(source: Path, target: Path, version: str) -> None:
    # Under another name first: a copy that a full disk cut short must not look like a whole one.
    draft = target.with_name(f".radlab-draft-{os.getpid()}")
    # A container's PIDs repeat: a start that was killed may have left a draft of this very name.
    shutil.rmtree(draft, ignore_errors=True)
    try:
        shutil.copytree(source, draft, symlinks=True)
        _make_writable(draft)
        (draft / VERSION_FILE).write_text(f"{version}\n")
        draft.rename(target)
    except OSError:  # shutil.Error, which copytree raises, is one
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _make_writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o700 if path.is_dir() else 0o600))


def own_notebooks(folder: Path) -> list[Path]:
    """The notebooks of a copy by name, without the backups that a reset has made."""
    return sorted(path for path in folder.glob("*.ipynb") if BACKUP not in path.name)


def _notebook(folder: Path, source: Path, language: str) -> Path | None:
    """The notebook to open: the module's in that language, else its first, else any."""
    mine = own_notebooks(folder)
    shipped = {path.name for path in source.glob("*.ipynb")}
    known = [path for path in mine if path.name in shipped] or mine
    spoken = [path for path in known if path.name.endswith(f".{language[:2]}.ipynb")]
    return next(iter(spoken or known), None)
