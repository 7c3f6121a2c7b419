"""Proves the imaging image while it is built: `smoke.py cpu` or `smoke.py cuda`.

Runs as the student, without a GPU in either case. Prints what it found, one line a part.
"""

import importlib
import importlib.metadata
import sys
import warnings

PACKAGES = {
    "torch": "torch",
    "monai": "monai",
    "SimpleITK": "simpleitk",
    "pydicom": "pydicom",
    "highdicom": "highdicom",
    "sklearn": "scikit-learn",
    "sklearn.linear_model": "scikit-learn",
    "sklearn.metrics": "scikit-learn",
    "scipy.ndimage": "scipy",
    "scipy.stats": "scipy",
    "pandas": "pandas",
    "matplotlib": "matplotlib",
    "ipywidgets": "ipywidgets",
    "dicom_catalog": "radlab-dicom-catalog",
    "radlab_session": "radlab-session",
}


def check(statement: bool, what: str) -> None:
    """Print what holds; stop the build where it does not."""
    print(f"smoke: {what}{'' if statement else ': NO'}", flush=True)
    if not statement:
        sys.exit(1)


def packages() -> None:
    """The packages import."""
    for module, distribution in PACKAGES.items():
        importlib.import_module(module)
        check(True, f"{module} {importlib.metadata.version(distribution)}")


def torch_runs(build: str) -> None:
    """The build of torch is the one asked for, and a network of MONAI learns with it."""
    import torch
    from monai.networks.nets import DenseNet121

    check((torch.version.cuda is not None) == (build == "cuda"), f"torch is built for {build}")
    net = DenseNet121(spatial_dims=2, in_channels=1, out_channels=2)
    optimiser = torch.optim.AdamW(net.parameters())
    result = net(torch.rand(2, 1, 64, 64))
    before = torch.nn.functional.cross_entropy(result, torch.tensor([0, 1]))
    before.backward()
    optimiser.step()
    check(result.shape == (2, 2) and bool(result.isfinite().all()), "a MONAI network learns")


def plots_show_chinese() -> None:
    """No glyph is missing from a Chinese title."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = pyplot.figure()
        figure.suptitle("胸部X线片：窗宽与窗位 −1")
        figure.canvas.draw()
    missing = [str(w.message) for w in caught if "Glyph" in str(w.message)]
    check(not missing, "matplotlib shows Chinese and Latin together")


def widgets_are_in_jupyterlab() -> None:
    """The front end of ipywidgets is there."""
    from pathlib import Path

    place = Path("/opt/venv/share/jupyter/labextensions/@jupyter-widgets/jupyterlab-manager")
    check(place.is_dir(), "JupyterLab has the widgets")


def main() -> None:
    """Check everything that a lesson on images needs."""
    packages()
    torch_runs(sys.argv[1])
    plots_show_chinese()
    widgets_are_in_jupyterlab()


main()
