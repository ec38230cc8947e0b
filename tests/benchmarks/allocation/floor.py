"""What a night of the crowd computes, as bare numpy in one thread does it for users at hand: no tables, no
ids, no checks, nothing but the arithmetic, some thousands of users at a time. And what bare pyarrow takes for
the files that a step reads and writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

Array = np.ndarray
FOLDS, VARIANTS, METRICS, SEGMENTS, DEVICES = 3, 4, 2, 20, 3
WIDTH = 1 + SEGMENTS + DEVICES + 1
_CHUNK = 16_384
_BASELINE = np.array([0.4, 0.2, 0.2, 0.2])


@dataclass(frozen=True)
class Users:
    """Of n: the segment, the device, the tenure, the fold and the variant (n,), and what came (n, M)."""

    segment: Array
    device: Array
    tenure: Array
    fold: Array
    variant: Array
    came: Array

    @classmethod
    def of(cls, users: int) -> Users:
        dice = np.random.default_rng(0)
        many = (SEGMENTS, DEVICES, 10, FOLDS, VARIANTS)
        came = dice.random((users, METRICS)) < 0.1
        return cls(*(dice.integers(0, each, users, dtype=np.int8) for each in many), came)

    def chunks(self) -> Iterator[Users]:
        for begin in range(0, len(self.fold), _CHUNK):
            yield Users(*(each[begin : begin + _CHUNK] for each in vars(self).values()))

    def contexts(self) -> Array:
        found, at = np.zeros((len(self.fold), WIDTH)), np.arange(len(self.fold))
        found[:, 0] = 1.0
        found[at, 1 + self.segment] = 1.0
        found[at, 1 + SEGMENTS + self.device] = 1.0
        found[:, -1] = self.tenure
        return found


def effects(users: Users) -> None:
    """A DR-learner with its standard errors, cross-fitted, judged, and applied to all."""
    gram = np.zeros((FOLDS, VARIANTS, WIDTH, WIDTH))
    moment = np.zeros((FOLDS, VARIANTS, WIDTH, METRICS))
    for some in users.chunks():
        contexts = some.contexts()
        for fold in range(FOLDS):
            for variant in range(VARIANTS):
                mine = (some.fold == fold) & (some.variant == variant)
                x = contexts[mine]
                gram[fold, variant] += x.T @ x
                moment[fold, variant] += x.T @ some.came[mine]
    ridge = 10 * np.eye(WIDTH)
    expected = np.empty((FOLDS, FOLDS, WIDTH, VARIANTS * METRICS))
    for one, other in np.ndindex(FOLDS, FOLDS):
        kept = [fold for fold in range(FOLDS) if fold not in (one, other)]
        solved = [
            np.linalg.solve(gram[kept, v].sum(0) + ridge, moment[kept, v].sum(0)) for v in range(VARIANTS)
        ]
        expected[one, other] = np.concatenate(solved, axis=1)
    whole = np.zeros((FOLDS, WIDTH, WIDTH))
    effect = np.zeros((FOLDS, FOLDS, WIDTH, (VARIANTS - 1) * METRICS))
    for fold, contexts, scores in _scored(users, expected):
        whole[fold] += contexts.T @ contexts
        for version in range(FOLDS):
            effect[fold, version] += contexts.T @ scores[:, version]
    inverse = np.linalg.inv(whole.sum(0) + ridge)
    fits = [inverse @ effect[:, version].sum(0) for version in range(FOLDS)]
    fits.append(inverse @ effect[range(FOLDS), range(FOLDS)].sum(0))
    meat = np.zeros((FOLDS + 1, fits[0].shape[1], WIDTH, WIDTH))
    for fold, contexts, scores in _scored(users, expected):
        for model, fit in enumerate(fits):
            if model != fold:
                left = scores[:, fold if model == FOLDS else model] - contexts @ fit
                for column, of_column in enumerate(left.T):
                    meat[model, column] += (contexts * (of_column**2)[:, None]).T @ contexts
    covariance = [[inverse @ each @ inverse for each in of_model] for of_model in meat]
    value = 0.0
    for fold, contexts, scores in _scored(users, expected):
        said, _ = _told(contexts, fits[fold], covariance[fold])
        value += (np.clip(said[:, ::METRICS], -0.15, 0.15) * scores[:, fold, ::METRICS]).sum()
    for some in users.chunks():
        _told(some.contexts(), fits[-1], covariance[-1])


def _scored(users: Users, expected: Array) -> Iterator[tuple[int, Array, Array]]:
    """By fold contexts, and pseudo-outcomes (m, F, (k - 1) M)."""
    for some in users.chunks():
        for fold in range(FOLDS):
            mine = np.flatnonzero(some.fold == fold)
            contexts = some.contexts()[mine]
            variant, scores = some.variant[mine], []
            for version in range(FOLDS):
                mean = (contexts @ expected[fold, version]).reshape(-1, VARIANTS, METRICS)
                left = some.came[mine] - mean[np.arange(mine.size), variant]
                mean[np.arange(mine.size), variant] += left / _BASELINE[variant][:, None]
                scores.append((mean[:, 1:] - mean[:, :1]).reshape(mine.size, -1))
            yield fold, contexts, np.stack(scores, axis=1)


def _told(contexts: Array, fit: Array, covariance: Sequence[Array]) -> tuple[Array, Array]:
    variance = [((contexts @ each) * contexts).sum(axis=1) for each in covariance]
    return contexts @ fit, np.sqrt(np.stack(variance, axis=1))


def assignment(users: Users) -> None:
    """Shares by scores, one night's step, the coupling of both nights, and a draw."""
    dice = np.random.default_rng(1)
    for some in users.chunks():
        n = np.arange(len(some.fold))
        before, move = np.tile(_BASELINE, (len(n), 1)), dice.normal(0, 0.1, (len(n), VARIANTS - 1))
        now = before.copy()
        now[:, 1:] += np.clip(2 * move, -0.15, 0.15)
        now[:, 0] = 1 - now[:, 1:].sum(axis=1)
        stays = np.minimum(now[n, some.variant] / before[n, some.variant], 1)
        chances = np.maximum(now - before, 0)
        chances *= ((1 - stays) / np.maximum(chances.sum(axis=1), 1e-12))[:, None]
        chances[n, some.variant] = stays
        (dice.random((len(n), 1)) > chances.cumsum(axis=1)).sum(axis=1)


def readout(users: Users) -> None:
    """By variant and segment means and variances of both metrics, weighted and augmented by a model of what
    comes of users of a segment."""
    sums = np.zeros((5, METRICS, VARIANTS * SEGMENTS))
    for some in users.chunks():
        cell = some.variant.astype(np.int64) * SEGMENTS + some.segment
        weight = 1 / _BASELINE[some.variant]
        for metric in range(METRICS):
            value = some.came[:, metric] * weight
            for place, each in enumerate((weight, value, value**2, weight**2, weight * value)):
                sums[place, metric] += np.bincount(cell, each, VARIANTS * SEGMENTS)
    mean = (sums[1] / np.maximum(sums[0], 1)).reshape(METRICS, VARIANTS, SEGMENTS)
    augmented = np.zeros((2, METRICS, VARIANTS, SEGMENTS))
    for some in users.chunks():
        weight = 1 / _BASELINE[some.variant]
        for metric in range(METRICS):
            told = mean[metric][:, some.segment]
            told[some.variant, np.arange(len(weight))] += weight * (
                some.came[:, metric] - mean[metric][some.variant, some.segment]
            )
            for variant, score in enumerate(told):
                augmented[0, metric, variant] += np.bincount(some.segment, score, SEGMENTS)
                augmented[1, metric, variant] += np.bincount(some.segment, score**2, SEGMENTS)


OF_STEPS: dict[str, Callable[[Users], None]] = {
    "effects": effects,
    "allocate": assignment,
    "assign": assignment,
    "readout": readout,
}


def seconds(users: int) -> dict[str, float]:
    """Of a processor, by step."""
    known, took = Users.of(users), {}
    for step, computed in OF_STEPS.items():
        began = time.process_time()
        computed(known)
        took[step] = time.process_time() - began
    return took


def of_files(read: Sequence[Path], written: Sequence[Path], scratch: Path) -> float:
    """Seconds of a processor in which files are read one after another, and what is written is written."""
    began = time.process_time()
    for path in read:
        pq.read_table(path, partitioning=None, use_threads=False)
    took = time.process_time() - began
    for path in written:
        rows = pq.read_table(path, partitioning=None, use_threads=False)
        began = time.process_time()
        pq.write_table(rows, scratch)
        took += time.process_time() - began
    return took
