"""What conferences' checklists ask of a study with people, answered from the study's protocol and the archive.

The questions are those of the NeurIPS paper checklist (14, crowdsourcing and research with human subjects, and 15,
approvals): instructions in full, screenshots, compensation; risks, consent, approval. What is not stated anywhere is
answered with that, and with where to state it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UNKNOWN = "Not stated: this report was made from a table without the study's protocol."


def checklist(protocol: Mapping[str, Any] | None, pictures: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Question and answer, in the checklist's order.

    `pictures` are the archive's pictures of what raters saw, by path.
    """
    told = protocol or {}
    return [
        ("The full text of the instructions given to participants", _instructions(told)),
        ("Screenshots", _pictures(pictures)),
        ("Compensation", _stated(told, "payment", "what raters are given")),
        ("Consent", _consent(told)),
        ("Approval by a review board, and risks disclosed", _stated(told, "ethics", "approval and risks")),
    ]


def _instructions(told: Mapping[str, Any]) -> str:
    text = str(told.get("instructions", "")).strip()
    return text or _UNKNOWN


def _pictures(pictures: Sequence[str]) -> str:
    if not pictures:
        return (
            "None in this archive. Take them while you try the study as a rater, and make the report again with "
            "--picture FILE for each."
        )
    return f"In the archive: {', '.join(pictures)}."


def _stated(told: Mapping[str, Any], field: str, what: str) -> str:
    if field not in told:
        return _UNKNOWN
    return str(told[field]).strip() or f"Not stated: the study's field for {what} is empty."


def _consent(told: Mapping[str, Any]) -> str:
    if told.get("consent"):
        return str(told["consent"]).strip()
    return _UNKNOWN
