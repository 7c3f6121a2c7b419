"""Images that no person was needed for: seeded, exact, marked SYNTHETIC, as real DICOM objects.

`draw_cohort(patients, seed)` says who is filmed, `make_film(plan)` makes one film with its truth,
`film_dicom(film)` its DICOM file. Read `chest_film.py` first.
"""

from dicom_synthetic.chest_film import Film, Plan, draw_cohort, make_film
from dicom_synthetic.dx import film_dicom
from dicom_synthetic.uids import derived_uid

__version__ = "0.1.0"

__all__ = ["Film", "Plan", "derived_uid", "draw_cohort", "film_dicom", "make_film"]
