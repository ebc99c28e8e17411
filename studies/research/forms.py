"""The staff's forms: a study's design and protocol, and invitations."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from analysis.scale import Scale, ScaleError
from srcore.registry import PAPER_METHODS
from studies.content.methods import offered_methods
from studies.models import (
    OF_PAIRS,
    OF_TWO,
    Benchmark,
    Decision,
    Method,
    SourceImage,
    Study,
    Task,
)
from studies.models.languages import english_name
from studies.models.study import instructions_for
from studies.models.task import CHOICE_OR_NONE, GRADED, pair_scale
from studies.protocol import (
    answers,
    catalogues,
    languages,
    order,
    pairs,
    practice,
    questionnaire,
    readiness,
)
from studies.protocol.slots import ORIGINAL
from studies.research import drafts, invitations
from studies.research.cells import impossible
from studies.research.sections import Section, sections_of


class DesignForm(forms.ModelForm):  # type: ignore[type-arg]
    """A draft's protocol, its cells (benchmark x method), and the calibration images.

    `cells` holds values "<benchmark pk>:<method pk>"; the template lays them out as a table.
    """

    task = forms.ChoiceField(label="What raters do", choices=Task.choices, initial=Task.RATING, required=False)
    ties = forms.BooleanField(label="of pairs: “no difference” is an answer, too", required=False, initial=True)
    against = forms.ModelChoiceField(
        Method.objects.none(),
        required=False,
        to_field_name="name",
        empty_label="every two methods",
        label="Of pairs: which methods meet",
        help_text="Two images of a pair are always of one source. With one method chosen here, each other meets it "
        "alone.",
    )
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
        help_text="One in each line, the lowest first. Empty: Bad, Poor, Fair, Good, Excellent; of a comparison the "
        "seven from Much worse to Much better, beside the original the five from Very annoying to Imperceptible.",
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
            "gold": forms.Textarea(attrs={"rows": 3}),
            "questions_before": forms.Textarea(attrs={"rows": 5}),
            "questions_after": forms.Textarea(attrs={"rows": 5}),
            "payment": forms.Textarea(attrs={"rows": 2}),
            "ethics": forms.Textarea(attrs={"rows": 2}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.benchmarks = list(Benchmark.objects.all())
        self.methods = offered_methods(self.instance)
        self.impossible = impossible(self.instance, self.benchmarks, self.methods)
        methods = self.fields["against"]
        methods.queryset = Method.objects.filter(pk__in=[method.pk for method in self.methods])  # type: ignore[attr-defined]
        methods.label_from_instance = lambda method: f"{method.display_name} against each other method"  # type: ignore[attr-defined]
        self.fields["cells"].choices = [  # type: ignore[attr-defined]
            (f"{b.pk}:{m.pk}", f"{m.display_name} on {b}")
            for b in self.benchmarks
            for m in self.methods
            if (b.pk, m.pk) not in self.impossible
        ]
        if self.instance.pk:
            self._fill_from(self.instance)
        elif not self.initial.get("calibration_benchmark"):
            self.initial["instructions"] = instructions_for(self.instance.scale, examples=False)

    def _fill_from(self, study: Study) -> None:
        self.initial["task"], self.initial["against"] = study.task, study.against
        if study.task == Task.PAIR:
            self.initial["ties"] = study.scale == CHOICE_OR_NONE
        elif study.task in OF_TWO:
            usual = GRADED[study.task](()) == study.scale
            self.initial["scale_labels"] = "" if usual else "\n".join(word for _, word in study.scale.labels)
        else:
            self.initial["scale_kind"], labels = answers.choice_of(study.scale)
            self.initial["scale_labels"] = "\n".join(labels)
        self.initial["cells"] = [f"{cell.benchmark_id}:{cell.method_id}" for cell in study.cells.all()]
        calibration = list(study.calibration.select_related("benchmark"))
        if calibration:
            self.initial["calibration_benchmark"] = calibration[0].benchmark_id
            self.initial["calibration_images"] = len(calibration)

    def table(self) -> list[tuple[Method, list[tuple[Benchmark, str, bool, str]]]]:
        """Row by row for the template: a method that can have images, and each benchmark with its value, whether it is
        chosen, and why there can be no image."""
        chosen = set(self["cells"].value() or ())

        def cell(b: Benchmark, m: Method) -> tuple[Benchmark, str, bool, str]:
            value = f"{b.pk}:{m.pk}"
            return b, value, value in chosen, self.impossible.get((b.pk, m.pk), "")

        rows = [(m, [cell(b, m) for b in self.benchmarks]) for m in self.methods]
        return [(m, row) for m, row in rows if not all(why for *_, why in row)]

    def wrong(self) -> "list[forms.BoundField]":
        """The fields with an error, for a list of them before the form."""
        return [self[name] for name in self.errors if name in self.fields]

    def sections(self) -> list[Section]:
        """The protocol's fields by topic, for the template; then the seed."""
        return sections_of(self)

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
        if cleaned is not None:
            self._set_task(cleaned)
        if cleaned is not None:
            self._check_practice(cleaned)
            self._check_questions(cleaned)
        return cleaned

    def _post_clean(self) -> None:
        """With the instance filled in: whether what is asked for can be put in order, said where it is typed."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        cells, _ = self.design()
        rated = [
            (method, source)
            for benchmark, methods in cells.items()
            for method in methods
            for source in benchmark.sources.all()
        ]
        images = [(number, source.pk, method.pk) for number, (method, source) in enumerate(rated, start=1)]
        if self.instance.task in OF_TWO:
            against = self.cleaned_data.get("against")
            if self.instance.task == Task.DEGRADATION:
                against = next((method for method, _ in rated if method.name == ORIGINAL), None)
            images = pairs.pairs(images, against=against.pk if against else None)
        items = [order.Item(key, source) for key, source, _ in images]
        for field, text in readiness.problems_of_order(self.instance, items) if items else ():
            self.add_error(field, f"{text[0].upper()}{text[1:]}.")

    def _check_practice(self, cleaned: dict[str, Any]) -> None:
        try:
            practice.find(cleaned.get("practice", ""), self.instance.scale)
        except practice.PracticeError as error:
            self.add_error("practice", str(error))
        try:
            practice.find(cleaned.get("gold", ""), self.instance.scale, kind="gold")
        except practice.PracticeError as error:
            self.add_error("gold", str(error))

    def _check_questions(self, cleaned: dict[str, Any]) -> None:
        names: list[str] = []
        for field in ("questions_before", "questions_after"):
            try:
                found = [question.name for question in questionnaire.parse_draft(cleaned.get(field, ""))]
            except questionnaire.QuestionnaireError as error:
                self.add_error(field, str(error))
                continue
            if twice := set(names) & set(found):
                self.add_error(field, f"{min(twice)} is asked before, too: each answer needs a name of its own.")
            names += found

    def _set_task(self, cleaned: dict[str, Any]) -> None:
        """A form that says nothing of the task or the scale, as a script may send it, changes neither."""
        before = self.instance.task
        if cleaned.get("task"):
            self.instance.task = cleaned["task"]
        task = self.instance.task
        method = cleaned.get("against") if task in OF_PAIRS else None
        self.instance.against = method.name if method else ""
        if task == Task.PAIR:
            self._set_answers(cleaned, pair_scale(ties=cleaned.get("ties", False)), before=before)
        elif task in OF_TWO:
            self._set_scale(cleaned, GRADED[task], before=before)
        elif cleaned.get("scale_kind") or before in OF_TWO:
            kind = answers.CHOICES[cleaned.get("scale_kind") or "five"]
            self._set_scale(cleaned, kind.make, before=before)

    def _set_scale(
        self, cleaned: dict[str, Any], scale_of: Callable[[Sequence[str]], Scale], *, before: str
    ) -> None:
        labels = [line.strip() for line in cleaned.get("scale_labels", "").splitlines() if line.strip()]
        try:
            scale = scale_of(labels)
        except ScaleError as error:
            self.add_error("scale_labels", str(error))
            return
        self._set_answers(cleaned, scale, before=before)

    def _set_answers(self, cleaned: dict[str, Any], scale: Scale, *, before: str) -> None:
        """Instructions that nobody has rewritten follow the scale, and whether there are an undo and examples."""
        written = cleaned.get("instructions", "").replace("\r\n", "\n").strip()
        of = self.instance
        ways = product((True, False), repeat=2)
        defaults = [instructions_for(of.scale, undo=undo, task=before, examples=e).strip() for undo, e in ways]
        if written in defaults:
            examples = bool(cleaned.get("calibration_benchmark") and cleaned.get("calibration_images"))
            undo = cleaned.get("undo", True)
            cleaned["instructions"] = instructions_for(scale, undo=undo, task=of.task, examples=examples)
        of.scale = scale


class NameForm(forms.Form):
    """Name and title of a study whose design comes from elsewhere: the paper's preset, a clone."""

    name = forms.SlugField(max_length=60, help_text="Short name for files and addresses here; raters never see it.")
    title = forms.CharField(max_length=120, help_text="What raters see; must not hint at the methods.")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Study.objects.filter(name=name).exists():
            raise ValidationError("There is a study of this name already.")
        return name


class PaperForm(NameForm):
    """The paper's design, of its methods those that run here or were brought."""

    methods = forms.ModelMultipleChoiceField(
        Method.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text="Of the paper's methods those that can run here, or whose results were brought.",
        error_messages={"required": "Choose at least one method."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = Method.objects.filter(pk__in=[m.pk for m in offered_methods()], name__in=PAPER_METHODS)
        self.fields["methods"].queryset = offered  # type: ignore[attr-defined]
        self.initial.setdefault("methods", list(offered))


class PlanForm(forms.Form):
    """What somebody who plans a study knows."""

    images = forms.IntegerField(min_value=2, max_value=10_000, initial=drafts.USUAL_IMAGES)
    methods = forms.IntegerField(min_value=2, max_value=100, initial=drafts.USUAL_METHODS)
    raters = forms.IntegerField(min_value=2, max_value=10_000, initial=drafts.USUAL_RATERS)
    minutes = forms.IntegerField(
        min_value=1, max_value=600, initial=drafts.USUAL_MINUTES, label="Minutes of rating for each"
    )

    @classmethod
    def usual(cls) -> dict[str, int]:
        """What it begins with."""
        return {name: field.initial for name, field in cls.base_fields.items()}


MOST_LABELS = 10_000


class InviteForm(forms.Form):
    count = forms.IntegerField(min_value=1, max_value=10_000, initial=1, label="How many raters")
    label = forms.CharField(
        max_length=60, required=False, label="Label", help_text="For one rater only; empty: r001, r002, ..."
    )

    labels = forms.CharField(
        label="Or a list of labels",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One in each line, or a table whose first column they are. Exports carry labels: use no names.",
    )
    file = forms.FileField(label="Or such a list as a CSV file", required=False)

    def clean_file(self) -> str:
        file = self.cleaned_data["file"]
        try:
            return file.read().decode("utf-8-sig") if file else ""
        except UnicodeDecodeError:
            raise ValidationError("The file is not in UTF-8; have the spreadsheet save it so.") from None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if cleaned and cleaned.get("label") and cleaned.get("count") != 1:
            raise ValidationError("A label names one rater: invite one at a time, or leave it empty.")
        if cleaned is not None:
            lists = (invitations.read_labels(cleaned.get(name) or "") for name in ("labels", "file"))
            cleaned["list"] = [label for labels in lists for label in labels]
            if len(cleaned["list"]) > MOST_LABELS:
                raise ValidationError(f"At most {MOST_LABELS} labels at a time.")
            if cleaned["list"] and cleaned.get("label"):
                raise ValidationError("One label, or a list: not both.")
        return cleaned


class DecisionForm(forms.Form):
    """What is decided about a rater, and why."""

    kind = forms.ChoiceField(choices=Decision.Kind.choices)
    reason = forms.CharField(required=False, max_length=2000)


class LanguageForm(forms.Form):
    """What raters read in one language of a study; fields left as they are follow the design and the site."""

    title = forms.CharField(max_length=120)
    instructions = forms.CharField(widget=forms.Textarea(attrs={"rows": 10}))
    labels = forms.CharField(label="Labels of the scale", widget=forms.Textarea(attrs={"rows": 5}))
    questions = forms.CharField(label="Questions and their options", widget=forms.Textarea(attrs={"rows": 8}))
    file = forms.FileField(label="The other texts, translated", required=False)

    def __init__(self, data: Any = None, files: Any = None, *, study: Study, language: str) -> None:
        self.study, self.language, self.name = study, language, english_name(language)
        super().__init__(data, files, prefix=language)
        self.initial = {
            "title": languages.title(study, language),
            "instructions": languages.instructions(study, language),
            "labels": "\n".join(languages.labels(study, language)),
            "questions": "\n".join(languages.questions(study, language)),
        }
        asked = questionnaire.texts(study)
        self.fields["questions"].help_text = f"One in each line, in this order: {' / '.join(asked)}"
        english = ", ".join(word for _, word in study.scale.labels)
        self.fields["labels"].help_text = f"One in each line, the lowest first: {english}."
        if self.is_first:
            for name in languages.OF_STUDY:
                del self.fields[name]
        else:
            for name, there in (("labels", study.scale.labels), ("questions", asked)):
                if not there:
                    del self.fields[name]
        for name, field in self.fields.items():
            field.required = False
            field.disabled = study.state != Study.State.DRAFT
            if name != "file":
                field.widget.attrs |= {"lang": language, "dir": "auto"}

    @property
    def is_first(self) -> bool:
        """Then title, instructions and labels stand in the design."""
        return bool(self.language == self.study.languages[0])

    @property
    def is_shipped(self) -> bool:
        return languages.is_shipped(self.language)

    @property
    def is_read_by_a_native_speaker(self) -> bool:
        return catalogues.is_read_by_a_native_speaker(self.language)

    @property
    def missing(self) -> list[str]:
        return languages.missing(self.study, self.language)

    @property
    def missing_texts(self) -> list[str]:
        return languages.missing_texts(self.study, self.language)

    @property
    def own_texts(self) -> int:
        """How many of the other texts the researcher has brought."""
        return len(languages.written(self.study, self.language).get("texts", {}))

    def clean_labels(self) -> list[str]:
        labels = [line.strip() for line in self.cleaned_data["labels"].splitlines() if line.strip()]
        if labels and len(labels) != len(self.study.scale.labels):
            raise ValidationError(f"The scale has {len(self.study.scale.labels)} labels, not {len(labels)}.")
        return labels

    def clean_questions(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["questions"].splitlines() if line.strip()]
        asked = len(questionnaire.texts(self.study))
        if lines and len(lines) != asked:
            raise ValidationError(f"The questions and their options are {asked} lines, not {len(lines)}.")
        return lines

    def clean_instructions(self) -> str:
        return str(self.cleaned_data["instructions"]).replace("\r\n", "\n")

    def clean_file(self) -> catalogues.Catalogue | None:
        file = self.cleaned_data["file"]
        if not file:
            return None
        try:
            catalogue = catalogues.read(file.read().decode("utf-8"))
            catalogues.taken(catalogue)
        except UnicodeDecodeError:
            raise ValidationError("The file is not in UTF-8; have the editor save it so.") from None
        except catalogues.CatalogueError as error:
            raise ValidationError(str(error)) from error
        return catalogue
