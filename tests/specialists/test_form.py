"""Vectors of the form of tasks."""

from __future__ import annotations

import numpy as np
import pytest

from specialists.routing.form import SIZE, FormEmbedder

EMBEDDER = FormEmbedder()


def likeness(one: str, other: str) -> float:
    a, b = EMBEDDER.embed([one, other])
    return float(a @ b)


def test_numbers_and_case_are_no_part_of_the_form() -> None:
    assert likeness("347 + 586", "1 + 29") == pytest.approx(1.0)
    assert likeness("Solve the story.", "solve THE story.") == pytest.approx(1.0)


def test_one_form_is_close_and_another_is_not() -> None:
    told = "Write a Python function that returns the sum of"
    assert likeness(f"{told} the odd numbers.", f"{told} all squares.") > 0.6
    assert likeness(f"{told} the odd numbers.", "Explain these steps.") < 0.3


def test_vectors_are_of_unit_length_or_zero() -> None:
    vectors = EMBEDDER.embed(["Solve the story.", ""])
    assert vectors.shape == (2, SIZE)
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1.0, 0.0], atol=1e-6)
    assert EMBEDDER.embed([]).shape == (0, SIZE)
