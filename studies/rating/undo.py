"""The last rating is taken back, until the next is given."""

from datetime import datetime

from django.utils.translation import gettext_lazy

from studies.access import Refusal
from studies.models import Session
from studies.rating.recording import admitted_trial
from studies.rating.sessions import Standing, standing
from studies.rating.statements import take_back_rating


class RatingStands(Refusal):
    status, code = 409, "stands"
    message = gettext_lazy(
        "This rating stands: it can be taken back only until the next one is given, and not after the last image."
    )


def take_back(*, rater_token: str, token: str, attempt: int, now: datetime) -> Standing:
    """Take the rating of this trial back, exactly once; when this returns, that is on disk and the trial is due again.

    Asked twice, nothing changes. `attempt` is the rating's. Raises RatingStands once another rating was given, after
    the last image, and in a study without undo; UnknownTrial; and what studies.access.invited_rater raises.
    """
    trial = admitted_trial(rater_token=rater_token, token=token)
    if not trial.has_undo:
        raise RatingStands
    taken = take_back_rating(trial, attempt=attempt, now=now)
    session = Session.objects.get(pk=trial.session)
    was_taken = session.undone_position == trial.position and session.undone_attempt >= attempt
    # Due means open: there is nothing to take back.
    if not (taken or was_taken or session.next_position == trial.position):
        raise RatingStands
    return standing(session, now=now)
