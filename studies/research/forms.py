"""The staff's forms: a study's design and protocol, and invitations."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from analysis.scale import ScaleError
from studies.content.methods import offered_methods
from studies.models import Benchmark, Method, SourceImage, Study
from studies.models.study import instructions_for
from studies.protocol import answers, practice
from studies.research import drafts


class DesignForm(forms.ModelForm):  # type: ignore[type-arg]
    """A draft's protocol, its cells (benchmark x method), and the calibration images.

    `cells` holds values "<benchmark pk>:<method pk>"; the template lays them out as a table.
    """

    scale_kind = forms.ChoiceField(
        label="Scale",
        required=False,
        choices=[(name, choice.title) for name, choice in answers.CHOICES.items()],
        initial="five",
    )
    scale_labels = forms.CharField(
        label="Labels of the scale",
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="One in each line, the lowest first. Empty: Bad, Poor, Fair, Good, Excellent.",
    )
    cells = forms.MultipleChoiceField(
        error_messages={"required": "Choose at least one method for at least one benchmark."},
        widget=forms.CheckboxSelectMultiple,
    )
    calibration_benchmark = forms.ModelChoiceField(
        Benchmark.objects.all(),
        required=False,
        empty_label="no calibration",
        help_text="Shown before the rating starts: nearest as the low end of the scale, the original as the high end.",
    )
    calibration_images = forms.IntegerField(
        required=False, min_value=1, help_text="How many of them, the first by name; empty: all."
    )
    seed = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=2**63 - 1,
        help_text="Every rater's order follows from it. Empty: one is drawn and kept.",
    )

    class Meta:
        model = Study
        fields = ("name", "title", "seed", *(field.name for field in Study.protocol_fields() if field.editable))
        widgets = {  # noqa: RUF012
            "instructions": forms.Textarea(attrs={"rows": 10}),
            "practice": forms.Textarea(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.benchmarks = list(Benchmark.objects.all())
        self.methods = offered_methods(self.instance)
        self.fields["cells"].choices = [  # type: ignore[attr-defined]
            (f"{b.pk}:{m.pk}", f"{m.display_name} on {b.name}") for b in self.benchmarks for m in self.methods
        ]
        if self.instance.pk:
            self._fill_from(self.instance)

    def _fill_from(self, study: Study) -> None:
        self.initial["scale_kind"], labels = answers.choice_of(study.scale)
        self.initial["scale_labels"] = "\n".join(labels)
        self.initial["cells"] = [f"{cell.benchmark_id}:{cell.method_id}" for cell in study.cells.all()]
        calibration = list(study.calibration.select_related("benchmark"))
        if calibration:
            self.initial["calibration_benchmark"] = calibration[0].benchmark_id
            self.initial["calibration_images"] = len(calibration)

    def table(self) -> list[tuple[Benchmark, list[tuple[Method, str, bool]]]]:
        """Row by row for the template: a benchmark, and each method with its value and whether it is chosen."""
        chosen = set(self["cells"].value() or ())
        return [(b, [(m, f"{b.pk}:{m.pk}", f"{b.pk}:{m.pk}" in chosen) for m in self.methods]) for b in self.benchmarks]

    def protocol(self) -> "list[forms.BoundField]":
        """The protocol's fields, for the template; then the seed."""
        names = [field.name for field in Study.protocol_fields() if field.name in self.fields]
        return [self[name] for name in ["scale_kind", "scale_labels", *names, "seed"]]

    def design(self) -> tuple[dict[Benchmark, list[Method]], list[SourceImage]]:
        """The cells and calibration images that were chosen."""
        by_pk = {str(b.pk): b for b in self.benchmarks}
        method_by_pk = {str(m.pk): m for m in self.methods}
        cells: dict[Benchmark, list[Method]] = {}
        for value in self.cleaned_data["cells"]:
            benchmark, method = value.split(":")
            cells.setdefault(by_pk[benchmark], []).append(method_by_pk[method])
        calibration = self.cleaned_data["calibration_benchmark"]
        sources = list(calibration.sources.order_by("name")) if calibration else []
        return cells, sources[: self.cleaned_data["calibration_images"]]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if cleaned is not None and cleaned.get("seed") is None and "seed" not in self.errors:
            cleaned["seed"] = self.instance.seed if self.instance.pk else drafts.new_seed()
        if cleaned is not None and cleaned.get("scale_kind"):
            self._set_scale(cleaned)
        if cleaned is not None:
            self._check_practice(cleaned)
        return cleaned

    def _check_practice(self, cleaned: dict[str, Any]) -> None:
        try:
            practice.find(cleaned.get("practice", ""), self.instance.scale)
        except practice.PracticeError as error:
            self.add_error("practice", str(error))

    def _set_scale(self, cleaned: dict[str, Any]) -> None:
        """Instructions that nobody has rewritten follow the scale, and whether there is an undo."""
        labels = [line.strip() for line in cleaned.get("scale_labels", "").splitlines() if line.strip()]
        try:
            scale = answers.CHOICES[cleaned["scale_kind"]].make(labels)
        except ScaleError as error:
            self.add_error("scale_labels", str(error))
            return
        written = cleaned.get("instructions", "").replace("\r\n", "\n").strip()
        defaults = [instructions_for(self.instance.scale, undo=undo).strip() for undo in (True, False)]
        if written in defaults:
            cleaned["instructions"] = instructions_for(scale, undo=cleaned["undo"])
        self.instance.scale = scale


class NameForm(forms.Form):
    """Name and title of a study whose design comes from elsewhere: the paper's preset, a clone."""

    name = forms.SlugField(max_length=60, help_text="Short name for files and addresses here; raters never see it.")
    title = forms.CharField(max_length=120, help_text="What raters see; must not hint at the methods.")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Study.objects.filter(name=name).exists():
            raise ValidationError("There is a study of this name already.")
        return name


class InviteForm(forms.Form):
    count = forms.IntegerField(min_value=1, max_value=200, initial=1, label="How many raters")
    label = forms.CharField(
        max_length=60, required=False, label="Label", help_text="For one rater only; empty: r001, r002, ..."
    )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if cleaned and cleaned.get("label") and cleaned.get("count") != 1:
            raise ValidationError("A label names one rater: invite one at a time, or leave it empty.")
        return cleaned
