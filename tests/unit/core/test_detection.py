"""A detector learns what came, keeps to probabilities, and is judged on rows that it was not fitted on."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from nightslate.core.detection import detector, held_out, risk
from nightslate.core.policies import EpsilonGreedy
from nightslate.core.policies.epsilon_greedy import EpsilonGreedyPolicy

LOGISTIC = EpsilonGreedy("logistic_regression", {}, epsilon=0.0)
KEY = 11


def world(n, number):
    """Contexts (n, 3), a constant among them, and whether it came: by a logistic law of the other two."""
    dice = np.random.default_rng(number)
    contexts = np.column_stack([np.ones(n), dice.normal(size=(n, 2))])
    chance = 1 / (1 + np.exp(-(contexts @ [-1.5, 1.2, -0.7])))
    return contexts, (dice.random(n) < chance) * 1.0, chance


def rows(contexts, came, learner=LOGISTIC):
    return learner.initial(1, contexts.shape[1]).update(contexts, np.zeros(len(came), dtype=np.int64), came)


def test_a_risk_is_the_probability_of_the_estimator_itself():
    """As scikit-learn has it, fitted to the same rows in any order, and to 1e-6 of its optimum."""
    contexts, came, chance = world(4000, 1)
    found = risk(detector(LOGISTIC, rows(contexts, came), KEY, 5), contexts)
    expected = LogisticRegression(tol=1e-10).fit(contexts[:, 1:], came).predict_proba(contexts[:, 1:])[:, 1]
    assert np.abs(found - expected).max() < 2e-3
    assert np.abs(found - chance).mean() < 0.02
    turned = risk(detector(LOGISTIC, rows(contexts[::-1], came[::-1]), KEY, 5), contexts)
    assert (turned == found).all()


def test_calibrated_enough_for_a_threshold():
    """Of rows of about one risk that share had it come, within 4 standard errors."""
    fitted = detector(LOGISTIC, rows(*world(20_000, 1)[:2]), KEY, 5)
    contexts, came, _ = world(20_000, 2)
    found = risk(fitted, contexts)
    for low in np.arange(0.0, 0.8, 0.1):
        mine = (low <= found) & (found < low + 0.1)
        error = np.sqrt((found[mine] * (1 - found[mine])).sum()) / mine.sum()
        assert abs(came[mine].mean() - found[mine].mean()) < 4 * error + 0.01


def test_a_fit_is_judged_on_other_rows():
    early, late = world(3000, 1), world(2000, 2)
    judged = held_out(LOGISTIC, rows(*early[:2]), rows(*late[:2]), KEY, 5)
    expected = risk(detector(LOGISTIC, rows(*early[:2]), KEY, 5), late[0])
    assert judged.auc == pytest.approx(roc_auc_score(late[1], expected), rel=1e-9)
    assert judged.brier == pytest.approx(brier_score_loss(late[1], expected), rel=1e-9)
    assert judged.brier_of_mean == pytest.approx(late[1].mean() * (1 - late[1].mean()), rel=1e-9)
    assert judged.auc > 0.75
    assert judged.brier < judged.brier_of_mean


def test_of_what_always_or_never_came_nothing_is_learnt():
    contexts, came, _ = world(100, 1)
    nothing = rows(contexts[:0], came[:0])
    for said in (nothing, rows(contexts, came * 0), rows(contexts, came * 0 + 1)):
        assert detector(LOGISTIC, said, KEY, 5) is None
        assert held_out(LOGISTIC, said, rows(contexts, came), KEY, 5) is None
        assert held_out(LOGISTIC, rows(contexts, came), said, KEY, 5) is None


@pytest.mark.parametrize("estimator", ["logistic_regression", "hist_gradient_boosting_classifier"])
def test_a_detector_travels_as_arrays(estimator):
    learner = EpsilonGreedy(estimator, {}, epsilon=0.0)
    contexts, came, _ = world(500, 1)
    fitted = detector(learner, rows(contexts, came, learner), KEY, 5)
    again = EpsilonGreedyPolicy.from_arrays(fitted.arrays())
    found = risk(again, contexts)
    assert (found == risk(fitted, contexts)).all()
    assert ((found >= 0) & (found <= 1)).all()
