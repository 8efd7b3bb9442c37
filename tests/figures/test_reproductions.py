from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latent_transfer.figures import beside_the_paper
from latent_transfer.records import RecordedRow, RecordedTable

ROWS = (
    RecordedRow("M2", {"labels": 100}, "test_error_percent", (11.0, 13.0), 12.0, 1.4, None),
    RecordedRow(
        "M2", {"labels": 600}, "test_error_percent", (5.0,), 5.0, None, {"mean": 4.94, "std": 0.13}
    ),
    RecordedRow("VAE", {}, "nll_nats", (90.0,), 90.0, None, None),
)
TABLE = RecordedTable("example", "Nobody 1999", ROWS, {}, (), {})


def test_each_row_has_its_line_from_top_to_bottom() -> None:
    (axis,) = beside_the_paper(TABLE, log_x=True).axes
    assert [tick.get_text() for tick in axis.get_yticklabels()] == [
        "M2, labels 100",
        "M2, labels 600",
    ]
    bottom, top = axis.get_ylim()
    assert bottom > top
    assert axis.get_xlabel() == "test error, %"
    assert axis.get_xscale() == "log"
    legend = axis.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["one seed", "mean", "paper"]


def _floats(values: object) -> list[float]:
    found: list[float] = np.asarray(values, dtype=float).tolist()
    return found


def test_means_values_and_the_paper_s_are_where_they_belong() -> None:
    (axis,) = beside_the_paper(TABLE).axes
    points = [
        (round(x, 2), round(y, 2))
        for line in axis.lines
        for x, y in zip(_floats(line.get_xdata()), _floats(line.get_ydata()), strict=True)
    ]
    assert set(points) >= {(11.0, 0), (13.0, 0), (12.0, 0), (5.0, 1), (4.94, 1.25)}
    assert 90.0 not in {x for x, _ in points}


def test_methods_can_be_chosen() -> None:
    (axis,) = beside_the_paper(TABLE, ["VAE"]).axes
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["VAE"]
    assert axis.get_xlabel() == "NLL, nats"


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(ValueError, match="example has no rows to draw"):
        beside_the_paper(replace(TABLE, rows=()))
