"""The book's own checks on the book as it is."""

from __future__ import annotations

import pytest

from book_checks import CHECKS, Book, Check


@pytest.fixture(scope="module")
def book() -> Book:
    return Book()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_book(check: Check, book: Book) -> None:
    problems = check(book)
    assert not problems, "\n" + "\n".join(problems)
