"""Which languages there are: their codes, their names, and a study's list of them as a column of the database."""

import re
from typing import Any

from django import forms
from django.conf.locale import LANG_INFO
from django.core.exceptions import ValidationError
from django.db import models

LONGEST_CODE = 20
_CODE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_CODES = {info[key].lower(): code for code, info in LANG_INFO.items() for key in ("name", "name_local") if key in info}
# What people and browsers write for the Chinese that is read in China.
_CODES |= dict.fromkeys(("zh", "zh-cn", "zh-sg", "chinese"), "zh-hans")


def code_of(written: str) -> str:
    """The code of a language that is written as its code or its name: `de`, `German` and `Deutsch` are de."""
    lower = " ".join(written.lower().replace("_", "-").split())
    return _CODES.get(lower, lower)


def english_name(code: str) -> str:
    """What staff call the language; the code where there is no name."""
    return str(LANG_INFO[code]["name"]) if "name" in LANG_INFO.get(code, {}) else code


def own_name(code: str) -> str:
    """What its readers call the language."""
    return str(LANG_INFO[code]["name_local"]) if "name_local" in LANG_INFO.get(code, {}) else code


def check_codes(codes: Any) -> None:
    """Raises ValidationError for what is not a list of one or more language codes, each once."""
    if not isinstance(codes, list) or not codes:
        raise ValidationError("Write at least one language.")
    for code in codes:
        if not isinstance(code, str) or len(code) > LONGEST_CODE or not _CODE.fullmatch(code):
            raise ValidationError(f"{code!r} is no language: write its English name or its code, such as de or ar.")
    if len(set(codes)) < len(codes):
        raise ValidationError("A language is there twice.")


class LanguagesFormField(forms.CharField):
    """Codes or names with commas between them; left empty it is English."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        written = [part.strip() for part in re.split(r"[,;\n]", super().to_python(value) or "")]
        return list(dict.fromkeys(code_of(part) for part in written if part)) or ["en"]


class LanguagesField(models.JSONField):
    """A list of language codes, the first of which is for readers of none of them."""

    description = "the languages of a study"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.validators = [*self.validators, check_codes]

    def formfield(self, **kwargs: Any) -> Any:
        return models.Field.formfield(self, **{"form_class": LanguagesFormField, "required": False, **kwargs})
