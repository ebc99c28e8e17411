"""The forms by which regions are set."""

from collections.abc import Sequence
from typing import Any

from django import forms

from studies.models import Study
from studies.protocol import regions


class RegionsForm(forms.Form):
    """Where the regions of some sources lie; what is left empty stays as it is.

    `rows`: each source's standing with its fields `left` and `top`; a source that is shown whole has none.
    """

    def __init__(self, data: Any = None, *, study: Study, standings: Sequence[regions.Standing]) -> None:
        super().__init__(data)
        self.rows: list[tuple[regions.Standing, list[forms.BoundField]]] = []
        for one in standings:
            names = [] if one.is_whole else [f"left-{one.source.pk}", f"top-{one.source.pk}"]
            room = (one.source.width - one.size[0], one.source.height - one.size[1])
            place = one.place
            if place and one.region:
                was = (one.region.width, one.region.height)
                place = regions.centred(place, was, of=one.source, now=one.size)
            for name, most, at in zip(names, room, place or ("", ""), strict=False):
                field = forms.IntegerField(min_value=0, max_value=most, required=False, initial=at)
                field.label = f"{name.partition('-')[0].capitalize()}, 0 to {most}"
                field.disabled = study.state != Study.State.DRAFT
                self.fields[name] = field
            self.rows.append((one, [self[name] for name in names]))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        for _, fields in self.rows:
            empty = [field.name for field in fields if field.name in cleaned and cleaned[field.name] is None]
            if len(empty) == 1 and not any(field.name in self.errors for field in fields):
                self.add_error(empty[0], "A region needs both numbers.")
        return cleaned

    def places(self) -> dict[int, tuple[int, int]]:
        """Source -> (left, top), of those that were given."""
        found = {one.source.pk: tuple(self.cleaned_data[field.name] for field in fields) for one, fields in self.rows}
        return {source: place for source, place in found.items() if place and None not in place}



class DrawForm(forms.Form):
    """How regions are drawn by seed."""

    seed = forms.IntegerField(
        min_value=0,
        max_value=2**63 - 1,
        help_text="With the same images the same seed draws the same regions.",
    )
    again = forms.BooleanField(label="also in place of regions that are there, those set by hand too", required=False)

