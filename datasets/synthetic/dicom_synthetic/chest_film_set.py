"""`chest-film` as the archive generates it: film, labels, the opacity's mask and box."""

from __future__ import annotations

from dicom_catalog.annotations import Segment
from dicom_synthetic.chest_film import KNOBS, NAME, Plan, draw_cohort, make_film
from dicom_synthetic.dx import film_dicom, film_uid
from dicom_synthetic.marks import ABNORMAL, LESION, mask_box, mask_map
from dicom_synthetic.sample import Generator, Made

OPACITY = Segment(1, "opacity", code=LESION, category=ABNORMAL)


def make(plan: Plan) -> Made:
    """One film with what is marked on it; a normal one has neither mask nor box."""
    film = make_film(plan)
    if not film.mask.any():
        return Made([film_dicom(film)], film.labels)
    uid = film_uid(plan)
    box = mask_box(uid, "opacity", film.mask, object="1", diameter_mm=film.labels["diameter_mm"])
    return Made(
        [film_dicom(film)],
        film.labels,
        label_maps=[mask_map(uid, film.mask, OPACITY)],
        boxes=[box],
    )


CHEST_FILM = Generator(NAME, draw_cohort, make, KNOBS)
