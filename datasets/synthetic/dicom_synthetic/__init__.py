"""Images that no person was needed for: seeded, exact, marked SYNTHETIC, as real DICOM objects.

`GENERATORS` holds one `sample.Generator` for each sample dataset; `draw` says who is imaged, `make`
makes one plan's images with their truth. Read `chest_film.py` first: `draw_cohort`, `make_film` and
`film_dicom` are its steps.
"""

from dicom_synthetic.brain_mr import BRAIN_MR
from dicom_synthetic.breast_us import BREAST_US
from dicom_synthetic.chest_ct import CHEST_CT
from dicom_synthetic.chest_film import Film, Plan, draw_cohort, make_film
from dicom_synthetic.chest_film_set import CHEST_FILM
from dicom_synthetic.dx import film_dicom
from dicom_synthetic.endoscopy import ENDOSCOPY
from dicom_synthetic.histology import HISTOLOGY
from dicom_synthetic.sample import Generator
from dicom_synthetic.uids import derived_uid

__version__ = "0.1.0"

GENERATORS: dict[str, Generator] = {
    one.name: one for one in (CHEST_FILM, CHEST_CT, BRAIN_MR, BREAST_US, HISTOLOGY, ENDOSCOPY)
}

__all__ = [
    "GENERATORS",
    "Film",
    "Generator",
    "Plan",
    "derived_uid",
    "draw_cohort",
    "film_dicom",
    "make_film",
]
