"""Whole experiments behind the command line: data in, a report and its numbers out."""

from latent_transfer.comparison.four_ways import Outcome, compare_four_ways
from latent_transfer.comparison.report import html_report, write_report
from latent_transfer.comparison.settings import FourWays
from latent_transfer.comparison.verdict import Difference, differences, verdict

__all__ = [
    "Difference",
    "FourWays",
    "Outcome",
    "compare_four_ways",
    "differences",
    "html_report",
    "verdict",
    "write_report",
]
