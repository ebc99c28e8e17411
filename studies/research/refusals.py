"""What staff cannot do with a study as it stands."""

from collections.abc import Sequence

from studies.models import Study


class StudyError(Exception):
    """What was asked cannot be done with this study; the message says why and what to do."""


class NotReady(StudyError):
    """The study cannot be launched. `problems` is one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("The study cannot be launched yet:\n" + "\n".join(f"- {p}" for p in self.problems))


def require_draft(study: Study) -> None:
    """Raises StudyError for a study that was launched."""
    if study.state != Study.State.DRAFT:
        raise StudyError("A launched study does not change. Clone it to run another design.")
