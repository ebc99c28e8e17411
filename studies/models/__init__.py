from studies.models.content import Benchmark, Method, SourceImage, Stimulus, Worker
from studies.models.installation import Installation
from studies.models.job import Job
from studies.models.report import Report
from studies.models.session import Rater, Rating, Session, TakenBack, Trial
from studies.models.site import Backup, SiteKey, site_key
from studies.models.study import Study, StudyEvent, StudyImage, StudyMethod

__all__ = [
    "Backup",
    "Benchmark",
    "Installation",
    "Job",
    "Method",
    "Rater",
    "Rating",
    "Report",
    "Session",
    "SiteKey",
    "SourceImage",
    "Stimulus",
    "Study",
    "StudyEvent",
    "StudyImage",
    "StudyMethod",
    "TakenBack",
    "Trial",
    "Worker",
    "site_key",
]
