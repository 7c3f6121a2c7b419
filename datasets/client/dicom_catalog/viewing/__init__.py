"""Looking at images: sheets by matplotlib, and a viewer for JupyterLab that needs no network.

`show` and `draw` make static pictures, `look` opens the viewer. Start reading at `looking.py`, then
`stacks.py` (what a pane shows), `widget.py` (what the browser asks) and `viewer.js`. matplotlib,
ipywidgets and anywidget are optional for the rest of `dicom_catalog` and imported where used.
"""

from dicom_catalog.viewing.looking import look
from dicom_catalog.viewing.sheets import draw, show

__all__ = ["draw", "look", "show"]
