"""Installs Python packages from the wheels that the builder serves on loopback.

Usage: install.py WHEELS REQUIREMENTS...      pinned packages, no others, into /opt/venv
       install.py WHEELS --source FOLDER...   RadLab's own, from their source, into /opt/radlab/lib
WHEELS is the address of a page that links the wheels. uv is one of them; it is unpacked beside
the build and removed with it, as is everything else that only a build needs.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

VENV = Path("/opt/venv")
OWN = Path("/opt/radlab/lib")
# What no student imports or runs: packages' own test suites and headers, the Hub's own pages (a
# single-user server has none), and languages of dates that the platform does not speak.
UNUSED = (
    *(f"{package}/**/tests" for package in ("pandas", "scipy", "sklearn", "sympy", "networkx")),
    "matplotlib/tests",
    "torch/test",
    "torch/bin/*[tT]est*",
    "torch/include",
    "babel/locale-data/[!ez]*.dat",
    "../../../share/jupyterhub/static",
)
# Kept, whatever the patterns above say.
KEPT = ("root.dat",)


def fetch_uv(wheels: str, folder: Path) -> Path:
    """The uv program, from its wheel."""
    with urllib.request.urlopen(f"{wheels}/") as page:
        name = re.search(r'href="(uv-[^"]+\.whl)"', page.read().decode())
    if name is None:
        sys.exit("install.py: there is no wheel of uv at the address of the wheels")
    archive = folder / "uv.whl"
    urllib.request.urlretrieve(f"{wheels}/{name[1]}", archive)
    with zipfile.ZipFile(archive) as opened:
        program = next(n for n in opened.namelist() if n.endswith("/scripts/uv"))
        opened.extract(program, folder)
    (folder / program).chmod(0o755)
    return folder / program


def site_packages() -> Path:
    """Where the packages of /opt/venv lie."""
    return next(VENV.glob("lib/python3*/site-packages"))


def remove_unused() -> None:
    """Remove what UNUSED lists, where it is there."""
    found = {path for pattern in UNUSED for path in site_packages().glob(pattern)}
    for path in sorted(found):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists() and path.name not in KEPT:
            path.unlink()


def make_venv(uv: Path) -> None:
    """Make /opt/venv where it is not there; it finds RadLab's own packages beside itself."""
    if not VENV.exists():
        subprocess.run([uv, "venv", "-q", "--python", "/usr/bin/python3", VENV], check=True)
        (site_packages() / "radlab.pth").write_text(f"{OWN}\n")


def main() -> None:
    """Install what the arguments name; stops the build where a wheel is missing."""
    wheels, *rest = sys.argv[1:]
    from_source = rest[0] == "--source"
    wanted = rest[1:] if from_source else [part for path in rest for part in ("-r", path)]
    # uv hard-links from its cache where it can, so both lie on one file system.
    with tempfile.TemporaryDirectory(dir="/opt") as folder:
        uv = fetch_uv(wheels, Path(folder))
        make_venv(uv)
        command = [uv, "pip", "install", "--python", VENV, "--no-cache", "--no-index"]
        command += ["--find-links", f"{wheels}/", "--no-deps"]
        command += ["--target", OWN] if from_source else []
        subprocess.run([*command, *wanted], check=True)
    remove_unused()
    # A container's own files cannot be written: what is not compiled now is compiled at each start.
    subprocess.run(
        [VENV / "bin" / "python", "-m", "compileall", "-qq", "-j", "0", site_packages(), OWN],
        check=False,
    )


main()
