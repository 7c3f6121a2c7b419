"""Ten thousand files, one in a hundred broken: each broken one is named, all others come in."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image

from dicom_archive.ingest import Options, import_images
from dicom_archive.store import Store
from dicom_archive.wrap import Fields, wrap_picture
from dicom_catalog import Catalog

FILES, EVERY, A_SERIES, A_PATIENT = 10_000, 100, 50, 200


def _template() -> bytes:
    """One small picture whose UIDs and numbers are marks of a fixed length."""
    picture = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(picture, "PNG")
    dataset = wrap_picture(picture.getvalue(), "scale", "a", "PATIENT0", Fields("OT"))
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = "1.2.300000000", "1.2.400000000"
    dataset.StudyInstanceUID = "1.2.500000000"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _write_files(folder: Path) -> list[str]:
    """The files, and the names of the broken ones: cut off, empty, and with no UID."""
    template, broken = _template(), []
    for number in range(FILES):
        data = template.replace(b"1.2.300000000", b"1.2.3%08d" % number)
        data = data.replace(b"1.2.400000000", b"1.2.4%08d" % (number // A_SERIES))
        data = data.replace(b"1.2.500000000", b"1.2.5%08d" % (number // A_PATIENT))
        data = data.replace(b"PATIENT0", b"PAT%05d" % (number // A_PATIENT))
        path = folder / f"{number // 1000}" / f"IM{number:05d}.dcm"
        if number % EVERY == 7:
            cut = (len(data) - 20, 0, 150, 400)[number // EVERY % 4]
            data = data[:cut]
            broken.append(path.relative_to(folder).as_posix())
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return broken


def test_of_ten_thousand_files_each_broken_one_is_named_and_the_rest_come_in(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    broken = _write_files(folder)
    report = import_images(
        store,
        folder,
        Options("many", "1.0.0", None, True),
        published="2026-01-01T12:00:00Z",
        processes=2,
    )
    assert sorted(path for path, _ in report.left_out) == sorted(broken)
    assert all(reason for _, reason in report.left_out)
    dataset = Catalog(store.visible)["many"]
    assert (len(dataset), len(dataset.patients)) == (FILES - len(broken), FILES // A_PATIENT)
    assert dataset[0].pixels.sum() == np.arange(64).sum()
