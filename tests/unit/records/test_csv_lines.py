"""Every line of a CSV file is a row, or a reject that says why."""

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.records import chunks
from nightslate.records.chunks import UnusableFileError
from nightslate.records.csv_lines import BEHIND_QUOTE, LONE_RETURN, NOT_UTF_8, OPEN_QUOTE
from nightslate.records.reading import read

LONE_QUOTE = """reward,propensity,target_propensity,query
1,0.5,0.5,tv
0,0.5,0.5,"55 inch tv
1,0.5,0.5,tv
1,0.5,0.5,tv
1,0.5,0.5,tv
"""


def records(path, content, **options):
    """Rows by number, and rejects by number: the fault and the bytes."""
    path = path / "f.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    rows, rejects = {}, {}
    for chunk in read(path, **options):
        assert chunk.rows.num_rows == chunk.numbers.size
        values = (tuple(row.values()) for row in chunk.rows.to_pylist())
        rows |= dict(zip(chunk.numbers.tolist(), values, strict=True))
        rejects |= {record.number: (record.wrong.fault, record.content) for record in chunk.unreadable}
    assert sorted([*rows, *rejects]) == list(range(1, len(rows) + len(rejects) + 1))
    return rows, rejects


def test_a_quote_that_never_closes_costs_its_own_line(tmp_path):
    rows, rejects = records(tmp_path, LONE_QUOTE)
    assert rows == dict.fromkeys((1, 3, 4, 5), ("1", "0.5", "0.5", "tv"))
    assert rejects == {2: (OPEN_QUOTE.fault, b'0,0.5,0.5,"55 inch tv')}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'1,"x', OPEN_QUOTE),
        (b'"1,x', OPEN_QUOTE),
        (b'1,"x""', OPEN_QUOTE),
        (b'1,"x"y', BEHIND_QUOTE),
        (b'1,"x" ', BEHIND_QUOTE),
        (b'1,5" tv,6" tv,"a', OPEN_QUOTE),
        (b"1,x\ry", LONE_RETURN),
        (b"\rx", LONE_RETURN),
        (b"1,\xff", NOT_UTF_8),
        (b'"\xff",2', NOT_UTF_8),
    ],
)
def test_a_line_that_is_no_record_costs_nothing_but_itself(tmp_path, line, fault):
    rows, rejects = records(tmp_path, b"a,b\n1,2\n" + line + b"\n3,4\n")
    assert rows == {1: ("1", "2"), 3: ("3", "4")}
    assert rejects == {2: (fault.fault, line)}


def test_lines_of_other_lengths_keep_their_numbers(tmp_path):
    rows, rejects = records(tmp_path, 'a,b\n1,2\n\n3\n"4",5\n6,7,8\n')
    assert rows == {1: ("1", "2"), 3: ("4", "5")}
    assert rejects == {
        2: ("the line has 1 columns, not 2", b"3"),
        4: ("the line has 3 columns, not 2", b"6,7,8"),
    }


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quotes_within_a_line_are_those_of_rfc_4180(tmp_path, end):
    lines = ["\ufeffa,b", '"1,5","say ""no"""', '5" tv,6" tv', '"",x', "NA,null", ' "x",y', "", '"a\rb",c']
    rows, rejects = records(tmp_path, end.join(lines) + end)
    assert list(rows.values()) == [
        ("1,5", 'say "no"'),
        ('5" tv', '6" tv'),
        (None, "x"),
        ("NA", "null"),
        (' "x"', "y"),
        ("a\rb", "c"),
    ]
    assert not rejects


@pytest.mark.parametrize(
    "content", ["", "\n\n", '"a\nb"\n1\n', b"\xff\n1\n", "a,b\n1,2\n".encode("utf-16"), b"x" * 200_000]
)
def test_a_header_is_one_line_of_text(tmp_path, content):
    try:
        rows, rejects = records(tmp_path, content)
    except UnusableFileError:
        return
    assert (rows, rejects) == ({}, {})


FREE = 'q,b\n1,2\n"a\nb, c",3\n"c,\n\n""d""",4\n5,6\n'


def test_free_text_may_have_line_breaks_in_its_quotes(tmp_path, monkeypatch):
    for size in (1 << 20, 1, 7, 11):
        monkeypatch.setattr(chunks, "CHUNK_BYTES", size)
        rows, rejects = records(tmp_path, FREE, free_text=("q",))
        assert rows == {1: ("1", "2"), 2: ("a\nb, c", "3"), 3: ('c,\n\n"d"', "4"), 4: ("5", "6")}
        assert not rejects
    rows, rejects = records(tmp_path, FREE)
    assert rows == {1: ("1", "2"), 6: ("5", "6")}
    assert [content for _, content in rejects.values()] == [b'"a', b'b, c",3', b'"c,', b'""d""",4']


@pytest.mark.parametrize(
    ("content", "kept", "lost"),
    [
        ('q,b\n"never closed,1\n2,3\n4,5\n', [2, 3], [b'"never closed,1']),
        ('q,b\n"a,1\n2,3\n"b",4\n', [2, 3], [b'"a,1']),
        ('q,b\n1,"in the other\n2",3\n4,5\n', [2, 3], [b'1,"in the other']),
        ('q,b\n"a\nb",3,4\n5,6\n', [3], [b'"a', b'b",3,4']),
        ('q,b\n"a\n\xff",3\n5,6\n'.encode("latin-1"), [3], [b'"a', b'\xff",3']),
        ('q,b\n"a\n' + "x,y\n" * 1500 + '",3\n', list(range(2, 1502)), [b'"a', b'",3']),
    ],
)
def test_a_quote_in_free_text_swallows_no_line_that_does_not_fit(tmp_path, content, kept, lost):
    rows, rejects = records(tmp_path, content, free_text=("q",))
    assert list(rows) == kept
    assert [content for _, content in rejects.values()] == lost


fields = st.text(st.sampled_from("ab,\";' é\u2028"), max_size=6)
lines = st.lists(st.tuples(fields, fields), max_size=12)


@settings(max_examples=80, deadline=None)
@given(
    lines, st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]), st.sampled_from([1 << 20, 1, 9]), st.data()
)
def test_what_a_writer_wrote_is_read_and_what_was_broken_is_counted(
    tmp_path_factory, rows, quoting, size, data
):
    path = tmp_path_factory.mktemp("csv")
    with (path / "g.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=quoting, lineterminator="\n")
        writer.writerow(["a", "b"])
        writer.writerows(rows)
    content = (path / "g.csv").read_bytes()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(chunks, "CHUNK_BYTES", size)
        found, rejects = records(path, content)
        assert list(found.values()) == [(one or None, other or None) for one, other in rows]
        assert not rejects
        if not rows:
            return
        # one byte is lost: every other line is read as before, and no line is lost with it
        at = data.draw(st.integers(content.index(b"\n") + 1, len(content) - 1))
        if content[at : at + 1] == b"\n" or content[at - 1 : at + 2] == b"\n,\n":  # it joins or empties lines
            return
        broken = content.count(b"\n", 0, at)
        after, rejects = records(path, content[:at] + content[at + 1 :])
        for number, row in found.items():
            if number != broken:
                assert after[number] == row
        assert len(after) + len(rejects) == len(rows)
