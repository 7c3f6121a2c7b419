"""The lesson, whole, in the student image: two cores, 3 GB, no network, on what `up` has published.

Runs after the story, on its datasets and modules; the platform itself need not be up.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import nbformat
import pytest

from hub_config.offers.images import load_images
from hub_config.offers.modules import load_modules

pytestmark = [pytest.mark.engine, pytest.mark.images]
RESULT = "RESULT "
LAST_CELL = f"""
import json
print({RESULT!r} + json.dumps({{"auc": results["AUC"].to_dict(), "films": len(y_test)}}))
"""
COMMAND = """
cp -r /opt/venv/share/radlab/matplotlib /tmp/matplotlib
export MPLCONFIGDIR=/tmp/matplotlib JUPYTER_RUNTIME_DIR=/tmp/runtime IPYTHONDIR=/tmp/ipython
cd /tmp && python -m nbconvert --execute --to notebook --output-dir /desk --output run lesson.ipynb
"""


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    made = docker.from_env()
    yield made
    made.close()


def execute(
    client: docker.DockerClient, state: Path, desk: Path, language: str, **parameters: object
) -> dict[str, Any]:
    """Run the built notebook with these parameters; what its last cell told."""
    module = load_modules(state / "modules").module("05_classification")
    image = load_images(state / "offers" / "images.yaml").image(module.image)
    source = state / "modules" / module.folder / module.notebook(language)
    notebook = nbformat.read(source, as_version=4)
    place = next(
        i for i, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", [])
    )
    chosen = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(chosen))
    notebook.cells.append(nbformat.v4.new_code_cell(LAST_CELL))
    desk.mkdir(mode=0o777)
    desk.chmod(0o777)
    nbformat.write(notebook, desk / "lesson.ipynb")
    output = client.containers.run(
        image.tag,
        ["sh", "-c", f"cp /desk/lesson.ipynb /tmp/ && {COMMAND}"],
        remove=True,
        stderr=True,
        user="10001:10001",
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        mem_limit="3g",
        memswap_limit="3g",
        cpu_period=100_000,
        cpu_quota=200_000,
        pids_limit=512,
        tmpfs={"/tmp": "mode=1777,size=1g,exec", "/home/student": "uid=10001,mode=700"},
        environment={"RADLAB_LANGUAGE": language, "RADLAB_GPUS_SIMULATED": "1"},
        volumes={
            str(state / "datasets" / "visible" / "everyone"): {"bind": "/datasets", "mode": "ro"},
            str(desk): {"bind": "/desk", "mode": "rw"},
        },
    )
    run = nbformat.read(desk / "run.ipynb", as_version=4)
    told = run.cells[-1].outputs[0]["text"]
    assert told.startswith(RESULT), output.decode()
    return dict(json.loads(told.removeprefix(RESULT)))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Path]:
    # pytest's own folder is closed to the student's user; this one is not.
    folder = Path("/var/tmp") / f"radlab-desk-{tmp_path.name}"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_the_lesson_runs_whole_and_its_network_beats_both_simple_readers(
    platform: Any, client: docker.DockerClient, desk: Path
) -> None:
    # Its own limit of time is for students who wait; a busy machine may take longer.
    told = execute(client, platform.state, desk, "en", seconds=300)
    assert told["auc"]["Trivial"] == 0.5
    assert told["auc"]["Network"] > told["auc"]["Classical"] + 0.05
    assert told["auc"]["Network"] > 0.8


def test_the_chinese_lesson_runs_whole(
    platform: Any, client: docker.DockerClient, desk: Path
) -> None:
    told = execute(client, platform.state, desk, "zh_CN", epochs=2)
    assert told["auc"]["瞎猜"] == 0.5 and len(told["auc"]) == 3


@pytest.mark.shared_data
def test_the_lesson_runs_on_real_films_by_one_parameter(
    platform: Any, client: docker.DockerClient, desk: Path, shared_data: Path
) -> None:
    words = ["--target", "projection", "--declare-deidentified"]
    done = platform.run(
        "dataset", "import", "chest-film-hannover", str(shared_data / "chest-film"), *words
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = execute(client, platform.state, desk, "en", dataset="chest-film-hannover", epochs=10)
    assert told["films"] > 20
    assert told["auc"]["Network"] > 0.5
