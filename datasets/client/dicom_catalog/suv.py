"""Standardized uptake values of PET: the factor from a rescaled value to SUVbw.

Body weight SUV is activity per millilitre times weight over the dose that is left of what was
injected. Decay correction and times as the vendor-neutral pseudo-code of the QIBA profile
(FDG-PET/CT UPICT) reads PS3.3 C.8.9.1 and C.8.9.2.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydicom.dataset import Dataset

GRAMS = 1000.0
DAY = 86400.0


def suv_factor(dataset: Dataset) -> float | None:
    """SUVbw = rescaled value * this; None where the image is no PET or says too little.

    Units (0054,1001) BQML need weight, dose, half-life and times; GML are SUVbw already where SUV
    Type (0054,1006) is absent or BW.
    """
    if dataset.get("Modality") != "PT":
        return None
    units = dataset.get("Units")
    if units == "GML":
        return 1.0 if str(dataset.get("SUVType") or "BW") == "BW" else None
    if units != "BQML":
        return None
    weight, dose = _positive(dataset.get("PatientWeight")), _dose_left(dataset)
    return weight * GRAMS / dose if weight and dose else None


def _dose_left(dataset: Dataset) -> float | None:
    """Becquerel of the injected dose at the time to which the image's values are corrected."""
    items = dataset.get("RadiopharmaceuticalInformationSequence")
    if not items:
        return None
    dose = _positive(items[0].get("RadionuclideTotalDose"))
    if dose is None or dataset.get("DecayCorrection") == "ADMIN":
        return dose
    half_life = _positive(items[0].get("RadionuclideHalfLife"))
    start, scan = _injected(items[0], dataset), _scanned(dataset)
    if dataset.get("DecayCorrection") != "START" or not half_life or not start or not scan:
        return None
    seconds = (scan - start).total_seconds()
    if seconds < 0:
        # A start without a date that is later than the scan was on the day before.
        seconds += DAY
    return float(dose * 2 ** (-seconds / half_life))


def _injected(item: Dataset, dataset: Dataset) -> datetime | None:
    full = str(item.get("RadiopharmaceuticalStartDateTime") or "")
    if full:
        # The offset from UTC is left off: series and acquisition times are local, too.
        return _moment(full[:8], full[8:].split("+")[0].split("-")[0])
    return _moment(_series_date(dataset), item.get("RadiopharmaceuticalStartTime"))


def _scanned(dataset: Dataset) -> datetime | None:
    """When the series began; a later Series Time was set by who processed it."""
    series = _moment(_series_date(dataset), dataset.get("SeriesTime"))
    acquired = _moment(
        dataset.get("AcquisitionDate") or _series_date(dataset), dataset.get("AcquisitionTime")
    )
    if series is None or (acquired is not None and series > acquired):
        return acquired
    return series


def _series_date(dataset: Dataset) -> str:
    return str(dataset.get("SeriesDate") or dataset.get("StudyDate") or "")


def _moment(date: object, time: object) -> datetime | None:
    digits, clock = str(date or ""), str(time or "")
    try:
        day = datetime(int(digits[:4]), int(digits[4:6]), int(digits[6:8]), tzinfo=UTC)
        hours, minutes, seconds = int(clock[:2]), int(clock[2:4] or 0), float(clock[4:] or 0)
    except ValueError:
        return None
    return day + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _positive(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None
