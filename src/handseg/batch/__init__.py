"""Many images and videos: plan where the outputs go, then do the jobs; what `handseg predict` runs."""

from handseg.batch.outputs import KINDS
from handseg.batch.plan import Job, Plan, plan_jobs
from handseg.batch.run import Outcome, run_jobs

__all__ = ["KINDS", "Job", "Outcome", "Plan", "plan_jobs", "run_jobs"]
