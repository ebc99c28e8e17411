"""What is asked before images are brought."""

from typing import Any

from django import forms

from srcore.scale import SCALE, SCALES
from studies.models import Benchmark, Import, Method

LARGEST_MAPPING = 1_000_000


class ResultsForm(forms.ModelForm):  # type: ignore[type-arg]
    """A method's results for a benchmark."""

    prefix = "results"

    benchmark = forms.ChoiceField(label="Benchmark")
    method = forms.SlugField(
        max_length=60,
        label="Method",
        widget=forms.TextInput(attrs={"list": "methods"}),
        help_text="Its short name, such as srgan-vgg54, or a new one: letters, digits, - and _.",
    )

    mapping_file = forms.FileField(
        label="Or a CSV file of them",
        required=False,
        help_text="With the columns name and file, as the command line's --mapping takes it.",
    )

    class Meta:
        model = Import
        fields = ("benchmark", "method", "display_name", "suffix", "mapping")
        labels = {  # noqa: RUF012
            "display_name": "Title of a new method",
            "suffix": "Only files whose names end in",
            "mapping": "Names that do not tell",
        }
        help_texts = {  # noqa: RUF012
            "display_name": "What pages, exports and reports call it.",
            "suffix": "Where a folder holds several methods' results, such as _SRGAN.",
            "mapping": "Lines of a picture's name, a comma and its file. Empty: files are matched by their names.",
        }
        widgets = {"mapping": forms.Textarea(attrs={"rows": 3})}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["benchmark"].choices = [(one.name, str(one)) for one in Benchmark.objects.all()]  # type: ignore[attr-defined]
        self.order_fields([*self.Meta.fields, "mapping_file"])
        self.methods = Method.objects.exclude(kind="reference")

    def clean_mapping_file(self) -> str:
        """Its text; empty without a file."""
        file = self.cleaned_data["mapping_file"]
        if not file:
            return ""
        if file.size > LARGEST_MAPPING:
            raise forms.ValidationError(f"It has more than {LARGEST_MAPPING:,} bytes: is it a table of names?")
        try:
            text = str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise forms.ValidationError("It is no text in UTF-8: save the table as CSV.")
        return text

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if cleaned and cleaned.get("mapping_file"):
            if cleaned.get("mapping", "").strip():
                raise forms.ValidationError("Names that do not tell: write them, or choose a file, not both.")
            cleaned["mapping"] = cleaned["mapping_file"]
        return cleaned


class BenchmarkForm(forms.ModelForm):  # type: ignore[type-arg]
    """A benchmark, or further pictures of one."""

    prefix = "pictures"

    benchmark = forms.SlugField(max_length=60, label="Name", help_text="Such as Set5: letters, digits, - and _.")
    scale = forms.TypedChoiceField(
        label="Scale",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", f"{SCALE}x, or what the benchmark has"), *((n, f"{n}x") for n in SCALES)],
        help_text="How many times larger HR is than LR.",
    )

    class Meta:
        model = Import
        fields = ("benchmark", "scale")


FORMS = {Import.Kind.RESULTS: ResultsForm, Import.Kind.BENCHMARK: BenchmarkForm}
