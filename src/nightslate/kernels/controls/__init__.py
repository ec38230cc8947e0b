"""Controls: policies beside the one that decides, each of which lacks a part of it."""

from nightslate.kernels.controls.control import Control
from nightslate.kernels.controls.eligibility_only import EligibilityOnly
from nightslate.kernels.controls.present_rule import PresentRule
from nightslate.kernels.controls.propensity_only import PropensityOnly
from nightslate.kernels.controls.random import Random
from nightslate.kernels.controls.without_levers import WithoutLevers

CONTROLS: dict[str, Control] = {
    control.name: control
    for control in (Random(), WithoutLevers(), PropensityOnly(), EligibilityOnly(), PresentRule())
}
