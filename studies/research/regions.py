"""Where a draft's regions lie: set by hand, drawn by seed, taken over by a clone."""

from collections.abc import Iterable, Mapping

from django.db import transaction
from django.db.models.fields.files import FieldFile

from studies.content.sources import discard
from studies.generation.requests import want_uncut
from studies.jobs.dispatch import send_on_commit
from studies.models import Cut, SourceImage, Study, StudyRegion, tell
from studies.protocol.regions import Size, Standing, standings
from studies.protocol.slots import Slot, slots
from studies.research.refusals import StudyError, require_draft

State = StudyRegion.State
_COPIED = ("source", "left", "top", "width", "height", "seed", "drawn_from")
_COPIED_OF_CUTS = ("stimulus", "file", "file_sha256", "file_bytes", "pixels_sha256")


def why_not(standing: Standing, left: int, top: int) -> str:
    """Why the source's region cannot lie there; empty if it can."""
    (width, height), source = standing.size, standing.source
    if left + width <= source.width and top + height <= source.height:
        return ""
    return (
        f"The region would end outside the image of {source.width} x {source.height} pixels: left is 0 to "
        f"{source.width - width}, top 0 to {source.height - height}."
    )


def set_by_hand(*, study: Study, places: Mapping[int, Size], by: str = "") -> int:
    """Put regions at (left, top), by the key of their source; a worker cuts them. Returns how many changed.

    One that lies there already, of the size that the study asks for, stays as it is. Raises StudyError for a launched
    study, a source that it does not show or shows whole, and for a place outside of the image.
    """
    with transaction.atomic():
        known = {one.source.pk: one for one in standings(*_locked(study))}
        changed, told = [], {}
        for source, place in places.items():
            one = known.get(source)
            if one is None or one.is_whole:
                raise StudyError("The study shows no region of this image; load the page again.")
            if said := why_not(one, *place):
                raise StudyError(f"{one.source}: {said}")
            if one.place != place or one.problem:
                changed.append(StudyRegion(**_at(study, one), left=place[0], top=place[1]))
                told[str(one.source)] = f"{one.place or 'nothing'} -> {tuple(place)}"
        _replace(study, changed)
        if told:
            tell(study, "regions set", by=by, detail=told)
    return len(changed)


def draw(*, study: Study, seed: int, again: bool = False, by: str = "") -> tuple[int, list[SourceImage]]:
    """Have regions drawn by `seed` where the methods differ most: those that are none or outdated, or `again`, all.

    Returns how many will be, and the sources that wait, as images of theirs are missing. Raises StudyError for a
    launched study.
    """
    with transaction.atomic():
        wanted = [
            one
            for one in standings(*_locked(study))
            if not one.is_whole and (one.problem or (again and one.region and (one.region.seed != seed)))
        ]
        ready = [one for one in wanted if not one.lacking]
        _replace(study, [StudyRegion(**_at(study, one), seed=seed) for one in ready])
        if ready:
            tell(study, "regions drawn", by=by, detail={"seed": seed, "regions": len(ready), "again": again})
    return len(ready), [one.source for one in wanted if one.lacking]


def take_over(*, study: Study, of: Study) -> None:
    """Give a new draft the regions of another study, with what is cut; both name the same files."""
    own = {one.source.pk for one in standings(study, slots(study)) if not one.is_whole}
    with transaction.atomic():
        for region in of.regions.filter(source__in=own).prefetch_related("cuts"):
            cuts = list(region.cuts.all())
            copy = StudyRegion(study=study, **{name: getattr(region, name) for name in _COPIED})
            copy.state = State.DONE if region.state == State.DONE else State.WANTED
            copy.save()
            Cut.objects.bulk_create(
                Cut(region=copy, **{name: getattr(cut, name) for name in _COPIED_OF_CUTS}) for cut in cuts
            )
        send_on_commit(StudyRegion, list(study.regions.filter(state=State.WANTED).values_list("pk", flat=True)))
        want_uncut(study)


def forget_needless(study: Study) -> None:
    """Remove the regions of a draft whose source it does not show any more, or shows whole; cut out of new images."""
    known = {one.source.pk for one in standings(study, slots(study)) if not one.is_whole}
    remove(region for region in study.regions.all() if region.source_id not in known)
    want_uncut(study)


def _locked(study: Study) -> tuple[Study, list[Slot]]:
    locked = Study.objects.select_for_update().get(pk=study.pk)
    require_draft(locked)
    return locked, slots(locked)


def _at(study: Study, one: Standing) -> dict[str, object]:
    return {"study": study, "source": one.source, "width": one.size[0], "height": one.size[1]}


def _replace(study: Study, regions: list[StudyRegion]) -> None:
    remove(study.regions.filter(source__in=[region.source for region in regions]))
    StudyRegion.objects.bulk_create(regions)
    send_on_commit(StudyRegion, [region.pk for region in regions])


def remove(regions: Iterable[StudyRegion]) -> None:
    """With what was cut; the files go once nobody can be sent them, and no clone names them."""
    gone = [region.pk for region in regions]
    files = {cut.file.name: cut.file for cut in Cut.objects.filter(region__in=gone)}
    StudyRegion.objects.filter(pk__in=gone).delete()
    if files:
        transaction.on_commit(lambda: _discard_unnamed(files))


def _discard_unnamed(files: Mapping[str | None, FieldFile]) -> None:
    """Clones name the files of their original."""
    named = set(Cut.objects.filter(file__in=list(files)).values_list("file", flat=True))
    discard(file for name, file in files.items() if name not in named)
