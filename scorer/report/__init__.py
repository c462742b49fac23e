"""The report of a job: one self-contained HTML page to look at, to print and to send on."""

from scorer.report.page import Report, Sample, render, versions
from scorer.report.plain import render_plain

__all__ = ["Report", "Sample", "render", "render_plain", "versions"]
