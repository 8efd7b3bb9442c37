"""Recorded results: tables of papers as ``latent-transfer reproduce`` measured them, kept here."""

from latent_transfer.records.reader import (
    Grid,
    RecordedRow,
    RecordedTable,
    recorded,
    recorded_names,
)

__all__ = ["Grid", "RecordedRow", "RecordedTable", "recorded", "recorded_names"]
