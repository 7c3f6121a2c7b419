"""Which values pixels can be asked for: stored ones, rescaled, Hounsfield units, SUV."""

from __future__ import annotations

from dicom_catalog.errors import NoSuchValues, unknown
from dicom_catalog.volume import VALUES


def check_values(values: str, modality: str, rescale_type: object = None) -> None:
    """Raise NoSuchValues where pixels of this modality have no such values.

    Hounsfield units are the rescaled values of a CT (PS3.3 C.8.2.1.1.2), or of what says by Rescale
    Type (0028,1054) that it holds them. Whether a PET has SUV, its images say.
    """
    if values not in VALUES:
        raise unknown(NoSuchValues, "kind of values", values, VALUES)
    if values == "hu" and modality != "CT" and rescale_type != "HU":
        raise NoSuchValues(
            f"Only a CT has Hounsfield units, this is {modality}. Use values='rescaled'.",
            given=values,
            allowed=VALUES[:2],
        )
    if values == "suv" and modality != "PT":
        raise NoSuchValues(
            f"Only a PET (PT) has SUV, this is {modality}. Use values='rescaled'.",
            given=values,
            allowed=VALUES[:2],
        )
