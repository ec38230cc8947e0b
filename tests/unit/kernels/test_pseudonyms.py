"""Raw ids in, keyed hashes out, and the key nowhere."""

import hashlib
import hmac

import pyarrow as pa
import pytest

from nightslate.errors import MachineError
from nightslate.kernels.pseudonyms import PSEUDONYM_LENGTH, Pseudonymiser

KEY = "0123456789abcdef"


@pytest.mark.parametrize("key", [KEY, KEY * 4, KEY * 4 + "0"], ids=["short", "of a block", "longer"])
def test_a_pseudonym_is_the_hmac_of_the_id(key):
    found = Pseudonymiser(key.encode(), "1")(pa.array(["Zoë", None, "b", "Zoë", ""]))
    expected = {
        name: hmac.new(key.encode(), name.encode(), hashlib.sha256).hexdigest()[:PSEUDONYM_LENGTH]
        for name in ("Zoë", "b", "")
    }
    assert found.to_pylist() == [expected["Zoë"], None, expected["b"], expected["Zoë"], expected[""]]


def test_no_ids_and_only_nulls():
    pseudonymise = Pseudonymiser(KEY.encode(), "1")
    assert pseudonymise(pa.array([], pa.string())).to_pylist() == []
    assert pseudonymise(pa.nulls(2, pa.string())).to_pylist() == [None, None]


def test_the_key_comes_from_the_environment_with_its_version(monkeypatch):
    monkeypatch.setenv("NIGHTSLATE_PSEUDONYM_KEY", KEY)
    monkeypatch.delenv("NIGHTSLATE_PSEUDONYM_KEY_VERSION", raising=False)
    assert Pseudonymiser.from_environment() == Pseudonymiser(KEY.encode(), "1")
    monkeypatch.setenv("NIGHTSLATE_PSEUDONYM_KEY_VERSION", "2027")
    assert Pseudonymiser.from_environment().key_version == "2027"
    assert KEY not in repr(Pseudonymiser.from_environment())


@pytest.mark.parametrize("key", [None, "", KEY[:-1]])
def test_no_key_or_a_short_one_is_an_error_that_does_not_show_it(monkeypatch, key):
    monkeypatch.delenv("NIGHTSLATE_PSEUDONYM_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("NIGHTSLATE_PSEUDONYM_KEY", key)
    with pytest.raises(MachineError, match="openssl rand -hex 32") as caught:
        Pseudonymiser.from_environment()
    assert not key or key not in str(caught.value)
