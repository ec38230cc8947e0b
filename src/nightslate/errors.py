"""What can go wrong, by kind. A process that fails exits with its error's `exit_code`, so that a scheduler
on the other side of spark-submit can tell what is worth a retry. The codes follow sysexits.h."""


class NightslateError(Exception):
    """Base of every error that nightslate raises on purpose."""

    exit_code = 70


class SpecError(NightslateError):
    """A program's YAML does not say what a program must say."""

    exit_code = 78


class LandingError(NightslateError):
    """The logs of a day are not there: no _SUCCESS marker. Or messages that were to land are gone."""

    exit_code = 66


class ContractError(NightslateError):
    """Rows or files break a data contract, more than the program tolerates or where nothing is tolerated."""

    exit_code = 65


class LeakError(NightslateError):
    """Features look at what happened, or was known, after the moment that they speak for."""

    exit_code = 70


class ModelError(NightslateError):
    """A model file is missing, or is not the one that was recorded (its digest differs)."""

    exit_code = 65


class DamageError(NightslateError):
    """Something of the warehouse is cut short, missing, unreadable or can't be written: a table, MLflow's
    store, a folder."""

    exit_code = 74


class UnavailableError(NightslateError):
    """A service does not answer now. Nothing is wrong with what was asked: try again."""

    exit_code = 75


class SupersededError(NightslateError):
    """A newer attempt at the same partition has already committed; this one must not undo it."""

    exit_code = 77


class CommitConflictError(NightslateError):
    """Other writers kept winning the race for a commit. Nothing was written: try again."""

    exit_code = 75


class MachineError(NightslateError):
    """The machine lacks something: a Java runtime, a key in the environment, a free port."""

    exit_code = 69


RETRYABLE_EXIT_CODES = frozenset({CommitConflictError.exit_code, UnavailableError.exit_code})
PERMANENT_EXIT_CODES = frozenset(
    error.exit_code
    for error in (
        NightslateError,
        SpecError,
        LandingError,
        ContractError,
        DamageError,
        SupersededError,
        MachineError,
    )
)


# In the words of the operating system, which Java, Delta and pyarrow pass on, and of SQLite.
_FULL_DISK = ("No space left on device", "database or disk is full")


def tells_of_full_disk(error: Exception) -> bool:
    """Whether an error, of whatever library, says that a disk was full."""
    return any(words in str(error) for words in _FULL_DISK)
