"""The steps of a job: dispatch, score, merge, report; and what its tasks leave for each other."""
