"""Publishing datasets: immutable versions with checksums, an index and splits by patient.

`Store` is where versions lie, `generate` makes sample datasets, `import_images` takes a teacher's
own. Runs on the host; nothing in a student's container imports it. Read `store.py` first.
"""

from dicom_archive.errors import ArchiveError
from dicom_archive.store import Published, Store

__version__ = "0.1.0"

__all__ = ["ArchiveError", "Published", "Store"]
