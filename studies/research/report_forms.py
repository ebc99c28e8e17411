"""What a report is asked for."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from studies.generation import metrics
from studies.models import OF_PAIRS, Method, Study, Task

UNITS = [
    ("two_way", "raters and images as samples, for raters and images in general"),
    ("rater", "raters as a sample, for these images"),
    ("image", "images as a sample, for these raters"),
    ("rater_x_image", "as published: each rating counted as independent"),
]
INTERVALS = [
    ("two_way", "raters and images as samples"),
    ("two_way_bootstrap", "raters and images as samples, by bootstrap"),
    ("rater_bootstrap", "raters as a sample, by bootstrap"),
    ("student", "Student's t over all ratings"),
    ("normal", "normal distribution over all ratings"),
]
DECISIONS = [("", "left out, with the reasons"), ("counted", "counted like the others")]


class ReportForm(forms.Form):
    """The options of a report, all of which may be left as they are."""

    unit = forms.ChoiceField(label="Tests take", choices=UNITS, required=False)
    interval = forms.ChoiceField(label="Intervals of MOS take", choices=INTERVALS, required=False)
    reference = forms.ChoiceField(
        label="Hidden reference", required=False, help_text="Differential scores are taken against it."
    )
    decided = forms.ChoiceField(label="Raters whom a decision excludes are", choices=DECISIONS, required=False)
    leave_out = forms.CharField(
        label="Leave out of this report, too",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Labels of raters, one in each line. The report names them and says what difference it makes.",
    )
    metrics = forms.MultipleChoiceField(
        label="Metrics beside MOS", required=False, widget=forms.CheckboxSelectMultiple, help_text="None: all of them."
    )

    def __init__(self, data: Any = None, *, study: Study) -> None:
        # The page has another form that asks for metrics.
        super().__init__(data, auto_id="id_report_%s")
        self._study = study
        methods = Method.objects.filter(pk__in=study.cells.values("method")).order_by("name")
        named = [(method.name, method.display_name) for method in methods]
        others = [choice for choice in named if choice[0] != "hr"]
        self.fields["reference"].choices = [("", "HR, where it is among the methods"), *others]  # type: ignore[attr-defined]
        if study.task == Task.DEGRADATION:
            del self.fields["reference"]  # it is no image that is rated
        if study.task in OF_PAIRS:
            for name in ("unit", "interval", "metrics"):
                del self.fields[name]
            self.fields["reference"].help_text = "How often each method is chosen over it is shown."
            return
        known = [(metric.name, metric.title) for metric in metrics.chosen(study)]
        self.fields["metrics"].choices = known  # type: ignore[attr-defined]

    def clean_leave_out(self) -> list[str]:
        lines = self.cleaned_data["leave_out"].splitlines()
        labels = [label for label in dict.fromkeys(line.strip() for line in lines) if label]
        known = set(self._study.raters.filter(is_preview=False, label__in=labels).values_list("label", flat=True))
        if unknown := [label for label in labels if label not in known]:
            raise ValidationError(f"No rater of this study is called {', '.join(unknown[:5])}.")
        return labels

    def options(self) -> dict[str, Any]:
        """What was chosen, for `Report.options`."""
        return {name: value for name, value in self.cleaned_data.items() if value}
