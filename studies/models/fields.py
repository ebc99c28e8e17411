"""A scale as a column of the database."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from analysis.scale import Scale, ScaleError


class ScaleField(models.JSONField):
    """An analysis.scale.Scale, stored as its JSON; the triggers on ratings read its bounds and step there."""

    description = "the scale of a study's scores"

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Scale | None:
        stored = super().from_db_value(value, expression, connection)
        return None if stored is None else Scale.from_dict(stored)

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value.to_dict() if isinstance(value, Scale) else value)

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        return super().get_db_prep_value(value.to_dict() if isinstance(value, Scale) else value, connection, prepared)

    def to_python(self, value: Any) -> Scale | None:
        if value is None or isinstance(value, Scale):
            return value
        try:
            return Scale.from_dict(value)
        except ScaleError as error:
            raise ValidationError(str(error)) from error

    def validate(self, value: Any, model_instance: Any) -> None:
        if not isinstance(value, Scale):
            raise ValidationError("This is not a scale.")

    def value_to_string(self, obj: Any) -> Any:
        scale = self.value_from_object(obj)
        return scale.to_dict() if isinstance(scale, Scale) else scale
