from studies.models.content import Benchmark, Method, SourceImage, Stimulus, Worker
from studies.models.job import Job
from studies.models.report import Report
from studies.models.session import HIGHEST_SCORE, LOWEST_SCORE, Rater, Rating, Session, Trial
from studies.models.study import Study, StudyEvent, StudyImage, StudyMethod

__all__ = [
    "HIGHEST_SCORE",
    "LOWEST_SCORE",
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
