"""The few statements that every rating and every image takes, as SQL.

Written out because they are what raters wait for: here a statement takes 0.05 ms, while the ORM builds the same one
anew each time in 1 to 3 ms. They are plain enough for SQLite and PostgreSQL alike; the constraints of the models hold
all the same.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from studies.models import Rating, TakenBack
from studies.rating.evidence import Proof, Which


class OwnTrial(NamedTuple):
    """A trial with all that decides whether its rater may see or rate it now."""

    pk: int
    position: int
    phase: str
    session: int
    next_position: int
    calibration_trials: int
    trials_total: int
    needs_receipts: bool
    first_served_ms: int | None
    viewed_ms: float
    sitting_trials: int
    sitting_minutes: int
    rest_minutes: int
    sitting_first: int | None
    sitting_at: datetime | None
    last_rated_at: datetime | None
    rater_label: str
    is_preview: bool
    is_revoked: bool
    is_withdrawn: bool
    is_ended: bool
    study: int
    study_state: str
    has_undo: bool
    end_after_failed: int
    scale: str
    is_pair: bool
    has_original: bool
    stimulus: int
    # Of the file that is sent: of the study's region of the image, or of the image; empty where that is not cut.
    image: str
    image_sha256: str

    @property
    def has_sittings(self) -> bool:
        return bool(self.sitting_trials or self.sitting_minutes)

    @property
    def images(self) -> list[Which]:
        """What it shows, in the order of the receipts."""
        shown: list[tuple[Which, bool]] = [("left", True), ("right", self.is_pair), ("original", self.has_original)]
        return [which for which, is_shown in shown if is_shown]


class ShownTrial(NamedTuple):
    """What a rater's browser may know of a trial; an anchor where nothing is stored, anchor_high in practice only.

    `attempt` is that of its rating, if it `is_rated`, else the one that its next rating has. `width` and `height` are
    of what is sent. Where the whole image is shown before its region, `left` and `top` say where in the `whole_width` x
    `whole_height` pixels of the source it is; else `left` is None.
    """

    position: int
    token: str
    width: int
    height: int
    anchor_score: float | None
    anchor_high: float | None
    attempt: int
    is_rated: bool
    whole_width: int
    whole_height: int
    left: int | None
    top: int | None
    is_pair: bool
    has_original: bool


_OWN_TRIAL = """
SELECT t.id, t.position, t.phase, s.id, s.next_position, s.calibration_trials, s.trials_total,
       s.needs_receipts, s.first_served_ms, s.viewed_ms, d.sitting_trials, d.sitting_minutes, d.rest_minutes,
       s.sitting_first, s.sitting_at, s.last_rated_at, r.label, r.is_preview,
       r.revoked_at IS NOT NULL, r.withdrawn_at IS NOT NULL, r.outcome <> '', d.id, d.state, d.undo, d.end_after_failed,
       CAST(d.scale AS text), t.right_id IS NOT NULL, t.original_id IS NOT NULL, i.id,
       CASE WHEN g.id IS NULL THEN i.file ELSE COALESCE(c.file, '') END,
       CASE WHEN g.id IS NULL THEN i.file_sha256 ELSE COALESCE(c.file_sha256, '') END
  FROM studies_trial t
  JOIN studies_session s ON s.id = t.session_id
  JOIN studies_rater r ON r.id = s.rater_id
  JOIN studies_study d ON d.id = r.study_id
  JOIN studies_stimulus i ON i.id = t.stimulus_id
  LEFT JOIN studies_studyregion g ON g.study_id = d.id AND g.source_id = i.source_id
  LEFT JOIN studies_cut c ON c.region_id = g.id AND c.stimulus_id = i.id
 WHERE t.token = %s AND r.token = %s
"""
# The same with the file of a pair's right image, or the original's, in place of the left one's; no row without one.
_OWN: dict[Which, str] = {
    "left": _OWN_TRIAL,
    "right": _OWN_TRIAL.replace("i.id = t.stimulus_id", "i.id = t.right_id"),
    "original": _OWN_TRIAL.replace("i.id = t.stimulus_id", "i.id = t.original_id"),
}

_SHOWN = """
SELECT t.position, t.token, COALESCE(g.width, h.width), COALESCE(g.height, h.height), t.anchor_score, t.anchor_high,
       COALESCE(a.attempt, CASE WHEN s.undone_position = t.position THEN s.undone_attempt + 1 ELSE 1 END),
       a.id IS NOT NULL, h.width, h.height,
       CASE WHEN d.orientation_ms > 0 THEN g."left" END, CASE WHEN d.orientation_ms > 0 THEN g.top END,
       t.right_id IS NOT NULL, t.original_id IS NOT NULL
  FROM studies_trial t
  JOIN studies_session s ON s.id = t.session_id
  JOIN studies_rater r ON r.id = s.rater_id
  JOIN studies_study d ON d.id = r.study_id
  LEFT JOIN studies_rating a ON a.trial_id = t.id
  JOIN studies_stimulus i ON i.id = t.stimulus_id
  JOIN studies_sourceimage h ON h.id = i.source_id
  LEFT JOIN studies_studyregion g ON g.study_id = d.id AND g.source_id = h.id
 WHERE t.session_id = %s AND t.position >= %s AND t.position < %s
 ORDER BY t.position
"""

_CLAIM = """
UPDATE studies_session
   SET next_position = %s, last_active_at = %s, last_rated_at = %s, finished_at = %s, first_served_ms = %s,
       viewed_ms = viewed_ms + %s
 WHERE id = %s AND next_position = %s AND (undone_position <> next_position OR undone_attempt < %s)
"""

_REOPEN = """
UPDATE studies_session SET next_position = %s, last_active_at = %s, undone_position = %s, undone_attempt = %s
 WHERE id = %s AND next_position = %s AND finished_at IS NULL
   AND (undone_position < %s OR undone_position = %s AND undone_attempt < %s)
"""

_RATING_COLUMNS = [field.attname for field in Rating._meta.concrete_fields if not field.primary_key]
_INSERT = f"INSERT INTO {Rating._meta.db_table} ({', '.join(_RATING_COLUMNS)})"
_VALUES = ", ".join(["%s"] * len(_RATING_COLUMNS))
_STORE = f"{_INSERT} VALUES ({_VALUES})"
_ALL = ", ".join(_RATING_COLUMNS)
_KEPT = f"INSERT INTO {TakenBack._meta.db_table} ({_ALL}, taken_back_at)"
_KEEP = f"{_KEPT} SELECT {_ALL}, %s FROM studies_rating WHERE trial_id = %s AND attempt = %s"  # noqa: S608
_REMOVE = "DELETE FROM studies_rating WHERE trial_id = %s"


def own_trial(*, token: str, rater_token: str, which: Which = "left") -> OwnTrial | None:
    """The trial of this token with this image, if it has it and is one of the rater with that invitation."""
    with connection.cursor() as cursor:
        cursor.execute(_OWN[which], [token, rater_token])
        row = cursor.fetchone()
    if row is None:
        return None
    trial = OwnTrial(*row)
    return trial._replace(sitting_at=_aware(trial.sitting_at), last_rated_at=_aware(trial.last_rated_at))


def _aware(moment: datetime | None) -> datetime | None:
    """As the ORM gives it: SQLite's has no time zone, and is UTC."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def shown_trials(*, session: int, start: int, stop: int) -> list[ShownTrial]:
    """The session's trials at positions start..stop-1, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_SHOWN, [session, start, stop])
        return [ShownTrial(*row) for row in cursor.fetchall()]


def store_rating(trial: OwnTrial, values: Mapping[str, Any], proof: Proof) -> bool:
    """Move the session on from this trial and store its rating, both or neither. On disk when this returns.

    False if another trial is due or this attempt at it was taken back, and then nothing has changed. `values` has every
    field of the rating by its name, but those of the proof.
    """
    moment = connection.ops.adapt_datetimefield_value(values["rated_at"])
    served = connection.ops.adapt_datetimefield_value(proof.served_at)
    found = {**values, "rated_at": moment, "served_at": served, "possible_ms": proof.possible_ms}
    row = [found[name] for name in _RATING_COLUMNS]
    finished = moment if trial.position == trial.trials_total else None
    last_rated = moment if trial.has_sittings else None
    session = [trial.position + 1, moment, last_rated, finished, proof.first_served_ms, proof.possible_ms or 0]
    claim = [*session, trial.session, trial.position, values["attempt"]]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, claim)
        claimed = bool(cursor.rowcount)
        if claimed:
            cursor.execute(_STORE, row)
    return claimed


def take_back_rating(trial: OwnTrial, *, attempt: int, now: datetime) -> bool:
    """Move the session back to this trial and its rating among those taken back, both or neither. On disk at return.

    False if it is not the last one given, is of another attempt, or the session is finished; then nothing has changed.
    """
    moment = connection.ops.adapt_datetimefield_value(now)
    position = trial.position
    reopen = [position, moment, position, attempt, trial.session, position + 1, position, position, attempt]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_REOPEN, reopen)
        if not cursor.rowcount:
            return False
        cursor.execute(_KEEP, [moment, trial.pk, attempt])
        if not cursor.rowcount:
            transaction.set_rollback(True)
            return False
        cursor.execute(_REMOVE, [trial.pk])
    return True
