"""Files of addresses and of templates: what is read from them, and what is no such file."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from nightslate.errors import ContractError, SpecError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.sending.addresses import Addresses, is_address, opted_out
from nightslate.sending.smtp import Server
from nightslate.sending.templates import Template, templates

KEY = Pseudonymiser(b"a key of the tests alone", "1")
ANN = "ann,ann@home.example"
PLAIN = "From: Shop <news@shop.example>\nSubject: News\n\nHello.\n"


def pseudonym(raw: str) -> str:
    return KEY(pa.array([raw]))[0].as_py()


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_addresses_are_known_by_pseudonym_and_never_shown(tmp_path: Path):
    path = written(
        tmp_path / "a.csv",
        "user_id,address\nann,ann@home.example\n7,bob@home.example\nann,ann@home.example\n",
    )
    found = Addresses.read(path, KEY)
    assert found.of == {pseudonym("ann"): "ann@home.example", pseudonym("7"): "bob@home.example"}
    assert found.wrong == 0
    assert "home.example" not in repr(found)
    table = pa.table({"user_id": pa.array([7]), "address": ["bob@home.example"]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert Addresses.read(tmp_path / "a.parquet", KEY).of == {pseudonym("7"): "bob@home.example"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann@",
        "@home.example",
        "ann@home.example\nBcc: all@home.example",
        "ann@home.example\r\nDATA",
        "ann@home.example, bob@home.example",
        "Ann <ann@home.example>",
        "ann@home.example>",
        "a" * 300 + "@home.example",
        "änn@home.example",
        None,
    ],
)
def test_what_can_be_no_address_is_none(text: str | None):
    assert not is_address(text)


def test_rows_without_an_address_are_counted(tmp_path: Path):
    path = written(
        tmp_path / "a.jsonl", '{"user_id": "ann", "address": "nobody"}\n{"user_id": "bob", "address": null}\n'
    )
    found = Addresses.read(path, KEY)
    assert (found.of, found.wrong) == ({}, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user_id,email\nann,ann@home.example\n", "has no column address"),
        ("user_id,address\nann,ann@home.example\nann,ann@work.example\n", "1 users have several addresses"),
        ('user_id,address\n"ann', "can't be read"),
    ],
)
def test_a_file_that_is_none_of_addresses_is_named_and_nobody_in_it(tmp_path: Path, text: str, said: str):
    path = written(tmp_path / "a.csv", text)
    with pytest.raises(ContractError, match=said) as error:
        Addresses.read(path, KEY)
    assert str(path) in str(error.value)
    assert "ann" not in str(error.value).replace(str(path), "")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_user_is_the_same_in_any_format(tmp_path: Path, suffix: str):
    """Numbers with a gap among them, as pandas writes them, and as large as they may be."""
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        written(
            path, "user_id,address\n7.0,ann@home.example\n123456789012.0,bob@home.example\n,x@y.example\n"
        )
    elif suffix == "jsonl":
        rows = ('{"user_id": 7, "address": "ann@home.example"}', '{"address": "x@y.example"}')
        written(path, "\n".join([*rows, '{"user_id": 123456789012, "address": "bob@home.example"}']) + "\n")
    else:
        users = pa.array([7.0, 123456789012.0, None])
        addresses = ["ann@home.example", "bob@home.example", "x@y.example"]
        pyarrow.parquet.write_table(pa.table({"user_id": users, "address": addresses}), path)
    found = Addresses.read(path, KEY)
    assert found.of == {
        pseudonym("7"): "ann@home.example",
        pseudonym("123456789012"): "bob@home.example",
    }
    assert found.wrong == 1


def test_an_id_that_is_none_is_named_by_its_row_alone(tmp_path: Path):
    pyarrow.parquet.write_table(pa.table({"user_id": [7.0, 7.5]}), tmp_path / "o.parquet")
    with pytest.raises(ContractError, match="row 2 can't be used: user_id is not text or a whole number"):
        opted_out(tmp_path / "o.parquet", KEY)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ContractError, match=r"there is no file .*no.csv"):
        opted_out(tmp_path / "no.csv", KEY)


def test_who_has_opted_out_is_known_by_pseudonym(tmp_path: Path):
    path = written(tmp_path / "o.csv", "user_id\nann\nbob\n")
    assert opted_out(path, KEY) == {pseudonym("ann"), pseudonym("bob")}


def test_a_template_is_the_file_that_an_arm_is_called_by(tmp_path: Path):
    written(tmp_path / "letter.eml", PLAIN)
    written(tmp_path / "other.eml", "no message")
    (found,) = templates(tmp_path, ["letter", "letter"]).values()
    assert found.sender == "news@shop.example"
    with pytest.raises(ContractError, match=r"no file .eml for ../letter, note; nothing was sent"):
        templates(
            tmp_path / "sub" if (tmp_path / "sub").mkdir() else tmp_path, ["note", "../letter", "letter"]
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("From: a@shop.example\n\nHello.\n", "has no Subject"),
        ("Subject: News\n\nHello.\n", "has no From with one address"),
        ("From: a@shop.example, b@shop.example\nSubject: News\n\nHello.\n", "has no From with one address"),
        (f"To: ann@home.example\n{PLAIN}", "To is filled in when it is sent"),
        (f"Message-ID: <1@x>\n{PLAIN}", "Message-ID is filled in"),
        ("Hello.\n", "is no message|has no Subject"),
        ("From: a@shop.example\nSubject: x\nContent-Type: multipart/mixed\n\nHello.\n", "is no message"),
    ],
)
def test_a_template_that_can_not_be_sent_is_named(tmp_path: Path, text: str, said: str):
    path = written(tmp_path / "letter.eml", text)
    with pytest.raises(ContractError, match=said) as error:
        templates(tmp_path, ["letter"])
    assert str(path) in str(error.value)


def test_a_message_is_the_template_whatever_it_is_made_of():
    html = (
        "From: =?utf-8?q?L=C3=A4den?= <news@shop.example>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n"
        'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nHello.\n--b\n"
        "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n<p>Grüße</p>\n--b--\n"
    ).encode()
    at = datetime(2026, 4, 2, 9, tzinfo=UTC)
    made = Template("news@shop.example", html).message("5" * 64, "ann@home.example", at)
    message = message_from_bytes(made, policy=SMTP)
    assert message["Subject"] == "Grüße"
    assert message["From"].addresses[0].display_name == "Läden"
    assert (message["To"], message["Message-ID"]) == ("ann@home.example", f"<{'5' * 64}@shop.example>")
    assert [part.get_content().strip() for part in message.iter_parts()] == ["Hello.", "<p>Grüße</p>"]
    assert made == Template("news@shop.example", html).message("5" * 64, "ann@home.example", at)


@pytest.mark.parametrize(
    ("address", "host"), [("127.0.0.1:25", "127.0.0.1"), ("localhost:25", "localhost"), ("[::1]:25", "::1")]
)
def test_this_machine_is_known_by_its_addresses(address: str, host: str):
    found = Server.of(address, 5.0, remote=False)
    assert (found.host, found.port, found.is_here) == (host, 25, True)


def test_another_machine_has_to_be_allowed():
    for address in ("mail.example:25", "10.0.0.1:25", "[2001:db8::1]:25"):
        with pytest.raises(SpecError, match="is another machine: say --allow-remote"):
            Server.of(address, 5.0, remote=False)
        assert not Server.of(address, 5.0, remote=True).is_here


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:", ":25", "127.0.0.1:0", "127.0.0.1:mail"])
def test_what_is_no_server_is_said(address: str):
    with pytest.raises(SpecError, match="write HOST:PORT"):
        Server.of(address, 5.0, remote=False)
