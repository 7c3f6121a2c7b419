"""The index file of a published version, table by table: what the archive writes, the client reads.

`index.sqlite` lies inside the version and is opened read-only and immutable. Its `user_version` is
the layout's number. Layout 2 holds studies, series and frames; layout 1, of the first versions, one
row an image, and stays readable: a notebook that names a version gets it next year as well.

`images` and `frames` hold images only. Derived objects (SEG, SR) are files of the version and of
its manifest, listed in `objects`; what they say stands flattened in `masks` and `boxes`.
"""

from __future__ import annotations

INDEX_NAME = "index.sqlite"
LAYOUT = 2

# Every column of each table, in the order in which it is written. JSON texts are canonical (sorted
# keys, no spaces). Times and dates are the DICOM texts. Units: millimetres, degrees, bytes.
TABLES: dict[str, dict[str, str]] = {
    # What QIDO-RS answers for a study (PS3.18 table 10.6.3-3) without opening a file.
    "studies": {
        "study_uid": "TEXT PRIMARY KEY",
        "patient_id": "TEXT NOT NULL",
        "patient_name": "TEXT",
        "patient_sex": "TEXT",
        "patient_age": "TEXT",
        "patient_birth_date": "TEXT",
        "study_date": "TEXT",
        "study_time": "TEXT",
        "study_id": "TEXT",
        "accession_number": "TEXT",
        "referring_physician": "TEXT",
        "study_description": "TEXT",
    },
    # A series and its geometry. `kind`: "volume" (even parallel slices: `affine` holds), "stack"
    # (slices of one size without an even grid; `reason` says why), "images" (each for itself).
    "series": {
        "series_uid": "TEXT PRIMARY KEY",
        "study_uid": "TEXT NOT NULL",
        "patient_id": "TEXT NOT NULL",
        "modality": "TEXT NOT NULL",
        "series_number": "INTEGER",
        "series_description": "TEXT",
        "body_part": "TEXT",
        "laterality": "TEXT",
        "manufacturer": "TEXT",
        "protocol_name": "TEXT",
        "frame_of_reference_uid": "TEXT",
        "instances": "INTEGER NOT NULL",
        "frames": "INTEGER NOT NULL",
        "kind": "TEXT NOT NULL",
        "reason": "TEXT",
        "affine": "TEXT",  # JSON, 16 numbers by rows, LPS: (column, row, slice, 1) -> mm
        "slice_spacing": "REAL",
        "tilt": "REAL",  # degrees between the slices' normal and the line of their positions
        "gaps": "TEXT",  # JSON list of distances from slice to slice where they are uneven
    },
    # One row an image instance, in the order of `table()`.
    "images": {
        "instance_uid": "TEXT PRIMARY KEY",
        "patient_id": "TEXT NOT NULL",
        "study_uid": "TEXT NOT NULL",
        "series_uid": "TEXT NOT NULL",
        "instance_number": "INTEGER",
        "split": "TEXT NOT NULL",
        "path": "TEXT NOT NULL",
        "sop_class_uid": "TEXT NOT NULL",
        "transfer_syntax_uid": "TEXT NOT NULL",
        "modality": "TEXT NOT NULL",
        "number_of_frames": "INTEGER NOT NULL",
        "rows": "INTEGER NOT NULL",
        "columns": "INTEGER NOT NULL",
        "samples": "INTEGER NOT NULL",
        "bits_allocated": "INTEGER NOT NULL",
        "bits_stored": "INTEGER NOT NULL",
        "pixel_representation": "INTEGER NOT NULL",
        "pixel_keyword": "TEXT NOT NULL",  # PixelData, FloatPixelData or DoubleFloatPixelData
        "photometric": "TEXT NOT NULL",
        "lossy": "INTEGER NOT NULL",  # 1 where Lossy Image Compression (0028,2110) is 01
        "pixel_offset": "INTEGER NOT NULL",
        "pixel_length": "INTEGER NOT NULL",
        "row_spacing": "REAL",
        "column_spacing": "REAL",
        "spacing_source": "TEXT",
        "slope": "REAL NOT NULL",
        "intercept": "REAL NOT NULL",
        "rescale_type": "TEXT",
        "suv_factor": "REAL",  # SUVbw = rescaled value * this (PET), else NULL
        "window_center": "REAL NOT NULL",
        "window_width": "REAL NOT NULL",
        "window_source": "TEXT NOT NULL",
        "voi_function": "TEXT NOT NULL",
        "frame_seconds": "REAL",  # from frame to frame of a cine, else NULL
        "sha256": "TEXT NOT NULL",
    },
    # One row a frame, single-frame instances too; what differs from frame to frame.
    "frames": {
        "series_uid": "TEXT NOT NULL",
        "place": "INTEGER NOT NULL",  # 0.. along the series, as sorted; the slice of the array
        "instance_uid": "TEXT NOT NULL",
        "frame": "INTEGER NOT NULL",  # 0.. within the instance
        "pixel_offset": "INTEGER NOT NULL",  # of this frame, in the file
        "pixel_length": "INTEGER NOT NULL",
        "position": "TEXT",  # JSON, 3 numbers: Image Position (Patient)
        "orientation": "TEXT",  # JSON, 6 numbers: Image Orientation (Patient)
        "slope": "REAL NOT NULL",
        "intercept": "REAL NOT NULL",
    },
    # SEG and SR objects of the version.
    "objects": {
        "instance_uid": "TEXT PRIMARY KEY",
        "patient_id": "TEXT NOT NULL",
        "study_uid": "TEXT NOT NULL",
        "series_uid": "TEXT NOT NULL",
        "sop_class_uid": "TEXT NOT NULL",
        "modality": "TEXT NOT NULL",
        "path": "TEXT NOT NULL",
        "references_series_uid": "TEXT",
        "sha256": "TEXT NOT NULL",
    },
    # One row a segment of a SEG.
    "segments": {
        "object_uid": "TEXT NOT NULL",
        "number": "INTEGER NOT NULL",
        "name": "TEXT NOT NULL",
        "code": "TEXT NOT NULL",  # JSON [value, scheme, meaning]
        "kind": "TEXT NOT NULL",  # "binary", "labelmap", "fractional"
        "objects": "INTEGER NOT NULL",  # 1 where each value of a label map is one object of a kind
    },
    # Where the mask of one frame lies: one row a frame of a SEG.
    "masks": {
        "object_uid": "TEXT NOT NULL",
        "number": "INTEGER NOT NULL",  # the segment; 0 in a label map, which holds all segments
        "series_uid": "TEXT NOT NULL",  # of the image that is labelled
        "instance_uid": "TEXT NOT NULL",
        "frame": "INTEGER NOT NULL",
        "bit_offset": "INTEGER NOT NULL",  # in the file, in bits; a binary frame may begin anywhere
        "bits": "INTEGER NOT NULL",  # a pixel: 1, 8 or 16
        "rows": "INTEGER NOT NULL",
        "columns": "INTEGER NOT NULL",
    },
    # One row a box on one image frame, or through several slices of a series.
    "boxes": {
        "series_uid": "TEXT NOT NULL",
        "instance_uid": "TEXT NOT NULL",  # of the slice in the middle, where there are several
        "frame": "INTEGER NOT NULL",
        "name": "TEXT NOT NULL",
        "left": "REAL NOT NULL",  # pixel edges: 0 is the left edge of the first column
        "top": "REAL NOT NULL",
        "right": "REAL NOT NULL",
        "bottom": "REAL NOT NULL",
        "first": "INTEGER",  # places in the series, first and last slice (included); NULL in 2D
        "last": "INTEGER",
        "object": "TEXT NOT NULL",  # names one finding, also over several images
        "more": "TEXT NOT NULL",  # JSON object: what else is known of it
        "object_uid": "TEXT",  # the SR that says so
    },
    # `labels` is as wide as the dataset has labels: instance_uid, then a column a label.
}

INDEXES = (
    "CREATE INDEX frames_of_series ON frames (series_uid, place)",
    "CREATE INDEX images_of_series ON images (series_uid)",
    "CREATE INDEX masks_of_series ON masks (series_uid)",
    "CREATE INDEX boxes_of_series ON boxes (series_uid)",
)


def statements() -> list[str]:
    """The SQL that makes all tables but `labels`, and their indexes."""
    made = []
    for table, columns in TABLES.items():
        fields = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        made.append(f'CREATE TABLE "{table}" ({fields})')
    return [*made, *INDEXES]
