"""What troubles users, what helps against it, and which signs of it they leave behind."""

from __future__ import annotations

import numpy as np

from nightslate.core.arrays import Floats, Ints

ISSUES = ("pricing", "usability", "support")
# Two natures of trouble are behind each: too dear or unused, lost or broken, unanswered or confused.

ARMS = (
    "discount_20",
    "pause_dialog",
    "agent_chat",
    "feature_highlight",
    "tutorial",
    "help_article",
    "nothing",
)
NOTHING = ARMS.index("nothing")
DISCOUNT = ARMS.index("discount_20")

SOLVES: Floats = np.array(
    [
        # discount, pause, chat, highlight, tutorial, article, nothing
        [[0.85, 0.35, 0.25, 0.05, 0.00, 0.00, 0.0], [0.35, 0.05, 0.30, 0.80, 0.20, 0.05, 0.0]],
        [[0.00, 0.05, 0.50, 0.10, 0.85, 0.30, 0.0], [0.00, 0.10, 0.85, 0.00, 0.05, 0.15, 0.0]],
        [[0.00, 0.10, 0.90, 0.00, 0.05, 0.10, 0.0], [0.00, 0.00, 0.50, 0.05, 0.35, 0.80, 0.0]],
    ]
)
"""(issues, natures, arms): how likely an arm solves a trouble that its issue is about."""

ON_DEVICE: Floats = np.array([[1.0, 1.0, 1.0, 1.0, 1.2, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 0.6, 1.2, 1.0]])
"""(devices, arms): times as likely on this device."""

TAKES: Ints = np.array([0, 0, 0, 1, 1, 1, 0])
"""(arms,): days until help works: who has to learn something first is in trouble until tomorrow."""

ANNOYS: Floats = np.array([0.05, 0.5, 0.2, 0.3, 0.4, 0.15, 0.0])
"""(arms,): how much showing the arm annoys, in units in which annoyance is measured."""

LEAVES: Floats = np.array([0.3, 0.3, 0.3])
"""(issues,): how much likelier a day's cancellation is for whoever has the trouble."""

BEGINS: Floats = np.array([0.01, 0.01, 0.01])
"""(issues,): the chance of a day that a trouble begins."""

PASSES = 0.06
"""The chance of a day that a trouble passes by itself."""

SIGNS = ("pricing", "help", "contact", "error", "feature", "dialog")
"""What a visit has more or less of by the trouble of the user: looks at three pages, errors, uses of
features, and dialogs that are opened and, sooner or later, confirmed."""

USUAL: Floats = np.array([0.010, 0.03, 0.004, 0.05, 3.5, 0.4])
"""(signs,): the mean number in a visit of a user without trouble."""

MORE: Floats = np.array(
    [
        # pricing, help, contact, error, feature, dialog
        [[3.4, 0.1, 0.0, 0.0, 0.5, 0.3], [3.4, 0.1, 0.0, 0.0, -3.4, 0.0]],
        [[0.0, 0.1, 0.0, 0.1, -0.6, 3.0], [0.0, 0.1, 0.0, 3.6, -0.3, 0.0]],
        [[0.0, 0.1, 3.0, 0.1, 0.0, 0.0], [0.0, 3.6, 0.0, 0.0, -0.4, 0.1]],
    ]
)
"""(issues, natures, signs): how many more of them a trouble brings."""

LEAST_SIGNS = 0.004
"""The mean number of a sign is never below it."""

LOOKS_AT_PRICES: Floats = np.array([15.0, 150.0, 35.0])
"""Median seconds on the pricing page: of users without trouble about it, and by its nature."""

HESITATES: Floats = np.array([4.0, 40.0, 5.0])
"""Median seconds from opening a dialog to confirming it: of users without trouble with using the product, and
by its nature."""

SPREAD_OF_SECONDS = 0.5
"""Standard deviation of the logarithm of seconds."""

OPENS, OPENS_IF_IT_FITS = 0.1, 0.6
"""The chance that help is opened is the first, and the second times how likely it solves the trouble."""
