"""The report of a job: one self-contained HTML page to look at, to print and to send on."""

from scorer.report.page import Report, Sample, render, versions

__all__ = ["Report", "Sample", "render", "versions"]
