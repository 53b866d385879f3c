"""The nearest vectors, exactly and by a graph."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from greenai.cache.index import Index

needs_usearch = pytest.mark.skipif(importlib.util.find_spec("usearch") is None, reason="usearch is not installed")


def units(count, seed=0):
    made = np.random.default_rng(seed).normal(size=(count, 32)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def filled(count, **given):
    index = Index(32, **given)
    for row, vector in enumerate(units(count)):
        index.put(row, vector)
    return index


def test_the_nearest_come_first():
    index, vectors = filled(200), units(200)
    rows, near = index.nearest(vectors[7], 5)
    expected = np.argsort(-(vectors @ vectors[7]))[:5]
    assert rows.tolist() == expected.tolist()
    assert near[0] == pytest.approx(1, abs=1e-5)
    assert np.array_equal(index.vectors([7, 9]), vectors[[7, 9]])


@pytest.mark.parametrize("count", [1, 63, 64, 320, 321, 1999, 2000])
def test_the_nearest_are_the_same_however_many_there_are(count):
    index, vectors, asked = filled(count), units(count), units(1, seed=1)[0]
    most = min(5, int((vectors @ asked > 0).sum()))
    assert index.nearest(asked, 5)[0].tolist() == np.argsort(-(vectors @ asked))[:most].tolist()


def test_a_dropped_row_is_near_nothing_and_an_empty_index_has_none():
    index = filled(50)
    index.drop(7)
    assert 7 not in index.nearest(units(50)[7], 50)[0]
    assert len(Index(32).nearest(units(1)[0], 5)[0]) == 0


@needs_usearch
def test_a_graph_takes_over_with_all_rows_and_finds_nearly_the_same():
    exact, graph, vectors = filled(600), filled(600, exact_rows=400), units(600)
    assert graph._linked == graph.rows == 600
    same = [set(exact.nearest(v, 10)[0].tolist()) & set(graph.nearest(v, 10)[0].tolist()) for v in vectors[:100]]
    assert sum(map(len, same)) > 950
    graph.drop(7)
    assert 7 not in graph.nearest(vectors[7], 10)[0]


def test_without_usearch_numpy_goes_on(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    index = filled(300, exact_rows=100)
    assert index.nearest(units(300)[5], 1)[0].tolist() == [5]
