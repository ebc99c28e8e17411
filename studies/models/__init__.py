from studies.models.consent import Agreement, ConsentText
from studies.models.content import Benchmark, Method, SourceImage, Stimulus, Worker
from studies.models.decision import Decision
from studies.models.device import DeviceCheck
from studies.models.entry import Arrival, Ending, PanelIds, PublicLink
from studies.models.event import StudyEvent, changes, tell
from studies.models.incoming import PIECE_BYTES, Import, ImportFile, ImportLine, ImportPiece
from studies.models.installation import Installation
from studies.models.job import Job
from studies.models.membership import Colleague, Membership, Role
from studies.models.metric import MetricValue, StudyMetric
from studies.models.precision import Precision
from studies.models.questionnaire import QuestionnaireAnswers
from studies.models.region import Cut, StudyRegion
from studies.models.report import Report
from studies.models.session import Outcome, Rater, Rating, Session, TakenBack, Trial
from studies.models.site import Backup, SiteKey, site_key
from studies.models.study import Study, StudyImage, StudyMethod
from studies.models.tally import RaterNumbers, Tally
from studies.models.task import CHOOSING, LEFT, NEITHER, OF_PAIRS, OF_TWO, RIGHT, Task

__all__ = [
    "CHOOSING",
    "LEFT",
    "NEITHER",
    "OF_PAIRS",
    "OF_TWO",
    "PIECE_BYTES",
    "RIGHT",
    "Agreement",
    "Arrival",
    "Backup",
    "Benchmark",
    "Colleague",
    "ConsentText",
    "Cut",
    "Decision",
    "DeviceCheck",
    "Ending",
    "Import",
    "ImportFile",
    "ImportLine",
    "ImportPiece",
    "Installation",
    "Job",
    "Membership",
    "Method",
    "MetricValue",
    "Outcome",
    "PanelIds",
    "Precision",
    "PublicLink",
    "QuestionnaireAnswers",
    "Rater",
    "RaterNumbers",
    "Rating",
    "Report",
    "Role",
    "Session",
    "SiteKey",
    "SourceImage",
    "Stimulus",
    "Study",
    "StudyEvent",
    "StudyImage",
    "StudyMethod",
    "StudyMetric",
    "StudyRegion",
    "TakenBack",
    "Tally",
    "Task",
    "Trial",
    "Worker",
    "changes",
    "site_key",
    "tell",
]
