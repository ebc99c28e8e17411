from studies.models.content import Benchmark, Method, SourceImage, Stimulus, Worker
from studies.models.job import Job
from studies.models.report import Report
from studies.models.session import Rater, Rating, Session, Trial
from studies.models.study import Study, StudyEvent, StudyImage, StudyMethod

__all__ = [
    "Benchmark",
    "Job",
    "Method",
    "Rater",
    "Rating",
    "Report",
    "Session",
    "SourceImage",
    "Stimulus",
    "Study",
    "StudyEvent",
    "StudyImage",
    "StudyMethod",
    "Trial",
    "Worker",
]
