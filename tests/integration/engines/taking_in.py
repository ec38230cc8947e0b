"""Landing files as tests take them in, and what became of them."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import yaml
from tests.integration.pipeline import world
from tests.unit.kernels.landed import CONFORMER, DS, NOON, PARQUET, PSEUDONYMISE, good

from nightslate.contracts import arrow
from nightslate.engines import Input, LocalEngine
from nightslate.pipeline.night import Night
from nightslate.programs import load as load_program

from .stored import stored

ALONE = LocalEngine(processes=1)
WITH_SLATES = PARQUET.append(pa.field("slate_id", pa.string()))
BY_ID = [("impression_id", "ascending")]


def night(home, engine=ALONE, buckets=7):
    """Of a program whose impressions have an age."""
    spec = yaml.safe_load(world.SPEC)
    spec |= {"buckets": buckets, "start_date": DS}
    spec["logs"] |= {"context": [{"name": "age", "type": "number"}]}
    home.mkdir(parents=True, exist_ok=True)
    path = home / "tiny.yaml"
    path.write_text(yaml.safe_dump(spec))
    return Night(load_program(path), DS, home, engine)


def rows_of(ingested):
    """The accepted rows, as whoever comes next reads them."""
    return Input(ingested.staged.data_files, arrow.schema(CONFORMER.contract)).read(None).sort_by(BY_ID)


def kept(ingested):
    return rows_of(ingested)["impression_id"].to_pylist()


def why(ingested):
    return sorted((row["reason"], row["file"]) for row in ingested.rejects.to_pylist())


CHANGES = [
    {"arm_id": "b"},
    {"age": None},
    {"occurred_at": NOON + timedelta(microseconds=1)},
    {"propensity": 0.5000000000000001},
    {"user_id": "somebody else"},
]


def aged(rows, read):
    """Completes by what lies beside: whoever is there is as old as it says, and some rows are rejected."""
    beside = read()
    place = pc.index_in(rows["user_id"], beside["user_id"].combine_chunks())
    known = beside["age"].combine_chunks().take(place.combine_chunks())
    named = pc.fill_null(pc.equal(rows["slate_id"], "unknown"), False)
    for name, values in {
        "age": pc.coalesce(rows["age"], known),
        "_reason": pc.if_else(named, "unknown_slate", pa.scalar(None, pa.string())),
        "_clause": pc.if_else(named, "a clause", pa.scalar(None, pa.string())),
    }.items():
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), values)
    return rows


def ages(folder, buckets, numbers=range(100)):
    """Users whose ages are known, in their buckets."""
    users = PSEUDONYMISE(pa.array([good(number)["user_id"] for number in numbers]))
    rows = pa.table({"user_id": users, "age": pa.array([90.0 + number for number in numbers])})
    return stored(folder, rows, buckets, DS)
