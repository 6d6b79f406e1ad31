"""Many images and videos: plan where the outputs go, then do the jobs; what `handseg predict` runs."""

from handseg.batch.background import Background
from handseg.batch.outputs import KINDS
from handseg.batch.plan import Job, Plan, plan_jobs
from handseg.batch.run import Outcome, run_jobs
from handseg.batch.style import Style

__all__ = ["KINDS", "Background", "Job", "Outcome", "Plan", "Style", "plan_jobs", "run_jobs"]
