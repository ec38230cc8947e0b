"""What each step does, imported when it runs: DAG files are parsed every few seconds, so a plan is cheap."""

from nightslate.pipeline.tasks import Run


def ingest() -> Run:
    from nightslate.pipeline.steps.ingest import run

    return run


def attribute() -> Run:
    from nightslate.pipeline.steps.attribute import run

    return run


def features() -> Run:
    from nightslate.pipeline.steps.features import run

    return run


def detect() -> Run:
    from nightslate.pipeline.steps.detect import run

    return run


def contacts() -> Run:
    from nightslate.pipeline.steps.contacts import run

    return run


def effects() -> Run:
    from nightslate.pipeline.steps.effects import run

    return run


def logged_assignments() -> Run:
    from nightslate.pipeline.steps.logged_assignments import run

    return run


def audit_served() -> Run:
    from nightslate.pipeline.steps.audit_served import run

    return run


def transitions() -> Run:
    from nightslate.pipeline.steps.transitions import run

    return run


def train() -> Run:
    from nightslate.pipeline.steps.train import run

    return run


def evaluate() -> Run:
    from nightslate.pipeline.steps.evaluate import run

    return run


def promote() -> Run:
    from nightslate.pipeline.steps.promote import run

    return run


def controls() -> Run:
    from nightslate.pipeline.steps.controls import run

    return run


def choose() -> Run:
    from nightslate.pipeline.steps.choose import run

    return run


def score() -> Run:
    from nightslate.pipeline.steps.score import run

    return run


def audit() -> Run:
    from nightslate.pipeline.steps.audit import run

    return run


def publish() -> Run:
    from nightslate.pipeline.steps.publish import run

    return run


def send() -> Run:
    from nightslate.pipeline.steps.send import run

    return run


def readout() -> Run:
    from nightslate.pipeline.steps.readout import run

    return run


def insights() -> Run:
    from nightslate.pipeline.steps.insights import run

    return run


def report() -> Run:
    from nightslate.pipeline.steps.report import run

    return run


def dashboard() -> Run:
    from nightslate.pipeline.steps.dashboard import run

    return run


def data_docs() -> Run:
    from nightslate.pipeline.steps.data_docs import run

    return run


def allocate() -> Run:
    from nightslate.pipeline.steps.allocate import run

    return run


def assign() -> Run:
    from nightslate.pipeline.steps.assign import run

    return run


def rollout_report() -> Run:
    from nightslate.pipeline.steps.rollout_report import run

    return run


def retain() -> Run:
    from nightslate.pipeline.steps.retain import run

    return run
