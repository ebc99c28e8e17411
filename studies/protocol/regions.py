"""The regions that a study shows of images larger than a screen: of which size, of which sources, what they lack."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from studies.models import SourceImage, Stimulus, Study, StudyRegion
from studies.protocol.checks import TRAP
from studies.protocol.slots import Slot

Size = tuple[int, int]


@dataclass
class Standing:
    """How far the region of one source is.

    `size`: what the study shows of it, (width, height); `is_whole` where that is all. `images`: of the source in this
    study, those that are there; `lacking` places have none yet. `cut`: of how many images the region is cut out.
    """

    source: SourceImage
    size: Size
    region: StudyRegion | None
    images: list[Stimulus] = field(default_factory=list)
    lacking: int = 0
    cut: int = 0

    @property
    def is_whole(self) -> bool:
        return self.size == (self.source.width, self.source.height)

    @property
    def place(self) -> Size | None:
        """(left, top) of the region; None before it has a place."""
        if self.region is None or self.region.left is None or self.region.top is None:
            return None
        return self.region.left, self.region.top

    @property
    def problem(self) -> str:
        """Why the region is not as the design now asks; empty where nothing is to be done about it by hand."""
        if self.is_whole:
            return ""
        if self.region is None:
            return "no region is set"
        if (self.region.width, self.region.height) != self.size:
            return "the region has another size than the design now asks for"
        if self.region.seed is not None and self.place and self.region.drawn_from != drawn_from(self.images):
            return "the region was drawn by seed among other images than these"
        return ""

    @property
    def is_cut(self) -> bool:
        return self.is_whole or (not self.problem and self.place is not None and self.cut == len(self.images))


def size_shown(study: Study, width: int, height: int) -> Size:
    """(width, height) of what the study shows of an image of this size."""
    if not study.region_width:
        return width, height
    return min(study.region_width, width), min(study.region_height, height)


def standings(study: Study, filled: Sequence[Slot]) -> list[Standing]:
    """Each source of these places once, in their order. Of a study without regions all are whole."""
    shown = {slot.source.pk for slot in filled}
    regions = {region.source_id: region for region in study.regions.all() if region.source_id in shown}
    found: dict[int, Standing] = {}
    for slot in filled:
        of = slot.source
        one = found.setdefault(of.pk, Standing(of, size_shown(study, of.width, of.height), regions.get(of.pk)))
        if slot.stimulus is None:
            one.lacking += 1
        elif slot.stimulus not in one.images:
            one.images.append(slot.stimulus)
            one.cut += slot.cut is not None
    return list(found.values())


def centred(place: Size, size: Size, *, of: SourceImage, now: Size) -> Size:
    """(left, top) of a region of the size `now` with the middle of one at `place` of `size`, as far as `of` allows."""
    left, top = (at + (was - new) // 2 for at, was, new in zip(place, size, now, strict=True))
    return min(max(left, 0), of.width - now[0]), min(max(top, 0), of.height - now[1])


def compared(images: Iterable[Stimulus]) -> list[Stimulus]:
    """Those of a method, traps aside."""
    return [image for image in images if image.method.name != TRAP]


def drawn_from(images: Iterable[Stimulus]) -> str:
    """Says which images these are, whatever database they are in."""
    return hashlib.sha256("\n".join(sorted(image.pixels_sha256 for image in compared(images))).encode()).hexdigest()


def problems(study: Study, filled: Sequence[Slot]) -> list[str]:
    """What keeps a study whose images are there from showing its regions, one sentence each."""
    if not study.region_width:
        return []
    found = standings(study, filled)
    kinds: dict[str, list[str]] = {}
    for one in found:
        if one.problem:
            kinds.setdefault(one.problem, []).append(str(one.source))
    said = [
        f"Of {len(names)} image{'s' if len(names) > 1 else ''} {kind} ({some(names)}): see to it on the page Regions."
        for kind, names in kinds.items()
    ]
    uncut = [one for one in found if not one.problem and not one.is_cut]
    failed = [one for one in uncut if one.region and one.region.state == StudyRegion.State.FAILED]
    said += [f"The region of {one.source} could not be cut: {one.region.error}" for one in failed if one.region]
    if waiting := [str(one.source) for one in uncut if one not in failed]:
        said.append(
            f"Of {len(waiting)} image{'s' if len(waiting) > 1 else ''} the region is not cut yet ({some(waiting)}): "
            "a worker does it; ask again below the table of images."
        )
    return said


def some(names: Sequence[str], most: int = 4) -> str:
    """The first of these names."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
