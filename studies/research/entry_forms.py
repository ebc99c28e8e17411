"""The forms of the way in and out of a study: its public link, consent, endings, and what is paid on top."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from studies.models import Ending, Outcome, PublicLink, Study
from studies.models.entry import check_names
from studies.models.languages import english_name
from studies.protocol import languages
from studies.rating import consent, continuing, outcomes

_UNSEEN = "another study that you cannot see"


class PublicLinkForm(forms.ModelForm):  # type: ignore[type-arg]
    """A study's public link. What the panel hands over is settled once somebody has come."""

    names = forms.CharField(
        label="Names of the parameters",
        required=False,
        help_text=PublicLink._meta.get_field("names").help_text,
    )

    class Meta:
        model = PublicLink
        fields = (
            "is_open", "quota", "panel", "names", "panel_study", "hold_minutes", "late_go_on", "turned_away",
        )  # fmt: skip
        widgets = {"turned_away": forms.CheckboxSelectMultiple}  # noqa: RUF012

    def __init__(self, data: Any = None, *, instance: PublicLink, others: Any) -> None:
        super().__init__(data, instance=instance)
        self.initial["names"] = ", ".join(instance.names)
        self.fields["turned_away"].queryset = others  # type: ignore[attr-defined]
        self.fields["turned_away"].required = False
        if instance.pk and instance.study.arrivals.exists():
            for name in ("panel", "names"):
                self.fields[name].disabled = True
                self.fields[name].help_text = "Settled: somebody has come by the link."

    def clean_names(self) -> list[str]:
        names = [name.strip() for name in str(self.cleaned_data["names"]).split(",") if name.strip()]
        check_names(names)
        return names



class EndingForm(forms.ModelForm):  # type: ignore[type-arg]
    """What raters are told at one outcome, in each of the study's languages."""

    class Meta:
        model = Ending
        fields = ("code", "own_code", "return_address", "continues_in")
        labels = {  # noqa: RUF012
            "own_code": "Each gets a code of their own",
            "code": "Code for all",
            "continues_in": "Then goes on in the study",
        }
        help_texts = {"own_code": ""}  # noqa: RUF012

    def __init__(self, data: Any = None, *, instance: Ending, others: "QuerySet[Study]", visible: bool = True) -> None:
        """`others`: the studies in which raters may be made to go on; `visible`: the present one may be named."""
        super().__init__(data, instance=instance, prefix=instance.outcome)
        self.title = Outcome(instance.outcome).label
        self.fields[
            "return_address"
        ].help_text = (
            "https only; CODE stands for the code, as in https://app.prolific.com/submissions/complete?cc=CODE"
        )
        if instance.outcome == Outcome.COMPLETED:
            going_on = self.fields["continues_in"]
            chosen = [instance.continues_in_id] if instance.continues_in_id else []
            going_on.queryset = others | Study.objects.filter(pk__in=chosen)  # type: ignore[attr-defined]
            unnamed = None if visible else instance.continues_in_id
            going_on.label_from_instance = lambda study: (  # type: ignore[attr-defined]
                _UNSEEN if study.pk == unnamed else f"{study.name} ({study.get_state_display()})"
            )
            going_on.empty_label = "nowhere: it ends here"  # type: ignore[attr-defined]
            going_on.help_text = (
                "Such as a block of pairs after one of ratings: clone the study, give the clone its task, launch it, "
                "and choose it here. Raters go on by the same link and label (with a number, where "
                "that study has one of this label), and agree once more; text, code and way "
                "back of this page are then told after the last part."
            )
        else:
            del self.fields["continues_in"]
        if instance.outcome == Outcome.FULL:
            # Nobody is stored who could have one.
            del self.fields["own_code"]
        for language in instance.study.languages:
            with languages.speaking(instance.study, language):
                default = outcomes.default_text(instance.outcome)
            self.fields[f"text_{language}"] = forms.CharField(
                label=f"Text in {english_name(language)}",
                required=False,
                initial=instance.texts.get(language, ""),
                widget=forms.Textarea(attrs={"rows": 2, "lang": language, "dir": "auto", "placeholder": default}),
            )

    def clean_continues_in(self) -> Study | None:
        chosen: Study | None = self.cleaned_data["continues_in"]
        if chosen and self.instance.study_id in {chosen.pk, *(study.pk for study in continuing.studies_after(chosen))}:
            raise ValidationError("Its raters go on in this study: nobody would come to an end.")
        return chosen

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if cleaned is not None:
            texts = {code: cleaned.get(f"text_{code}", "").strip() for code in self.instance.study.languages}
            self.instance.texts = {code: text for code, text in texts.items() if text}
        return cleaned



class ConsentForm(forms.Form):
    """The consent text in each of a study's languages; all of them, or none and the site's own is said."""

    def __init__(self, data: Any = None, *, study: Study) -> None:
        super().__init__(data)
        self.study = study
        latest = study.consent_texts.first()
        for language in study.languages:
            with languages.speaking(study, language):
                default = consent.default_text()
            self.fields[language] = forms.CharField(
                label=english_name(language),
                required=False,
                initial=latest.texts.get(language, "") if latest else "",
                widget=forms.Textarea(attrs={"rows": 6, "lang": language, "dir": "auto", "placeholder": default}),
            )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        missing = [english_name(code) for code in self.study.languages if not (cleaned or {}).get(code)]
        if missing and len(missing) < len(self.study.languages):
            raise ValidationError(f"Write it in every language of the study, or in none; missing: {', '.join(missing)}")
        return cleaned

    def texts(self) -> dict[str, str]:
        """Empty where the site's own is said."""
        return {code: text.replace("\r\n", "\n").strip() for code, text in self.cleaned_data.items() if text}



class BonusForm(forms.Form):
    """What each gets on top, in the panel's currency."""

    amount = forms.DecimalField(min_value=Decimal("0.01"), max_value=1000, decimal_places=2)

