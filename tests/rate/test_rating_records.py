"""Records: signed, checked, and joined so that order and repetition do not matter."""

from __future__ import annotations

import base64
import json
import re
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ratings import content, signed, unsigned

from greenai.rate import signing
from greenai.rate.merge import merged
from greenai.rate.record import Record, RecordError, made, of_json, read, write

if TYPE_CHECKING:
    from pathlib import Path


def test_a_record_is_signed_with_a_key_of_this_user(tmp_path: Path) -> None:
    record = signed(tmp_path / "rate")
    key = tmp_path / "rate" / "signing.key"
    assert record.check() == "signed"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    again = signed(tmp_path / "rate", 2)
    assert record.signature is not None
    assert again.signature is not None
    assert record.signature["key"] == again.signature["key"]


def test_without_cryptography_there_is_a_hash_and_no_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = signed(tmp_path)
    monkeypatch.setattr(signing, "can_sign", lambda: False)
    record = made(content(), tmp_path)
    assert (record.signature, record.check(), whole.check()) == (None, "unsigned", "unchecked")
    assert record.sha256 == whole.sha256


def test_a_changed_figure_a_strange_signature_and_a_hash_made_anew_are_noticed(tmp_path: Path) -> None:
    record = signed(tmp_path)
    assert record.signature is not None
    figure = {"value": 0.1, "low": 0.1, "high": 0.1}
    changed = replace(record, content={**record.content, "wh_per_1000": figure})
    assert changed.check() == "changed"
    hashed = unsigned(wh=0.1, low=0.1, high=0.1)
    assert replace(hashed, signature=record.signature).check() == "changed"
    for value in ("", "!", 7, None, "AAAA"):
        assert replace(record, signature={**record.signature, "value": value}).check() == "changed"
        assert replace(record, signature={**record.signature, "key": value}).check() == "changed"


@pytest.mark.parametrize("sign", ["00", "80"])
def test_a_key_that_anybody_can_sign_with_does_not_count(sign: str) -> None:
    """The neutral point: a signature of it and of zero holds for every content."""
    key = bytes.fromhex("01" + "00" * 30 + sign)
    texts = {"key": base64.b64encode(key).decode(), "value": base64.b64encode(key + bytes(32)).decode()}
    assert replace(unsigned(), signature={"kind": "ed25519", **texts}).check() == "changed"


def test_a_file_is_read_back_and_has_the_users_rights(tmp_path: Path) -> None:
    record, path = signed(tmp_path), tmp_path / "new" / "a.json"
    write(path, json.dumps(record.to_dict(), indent=1))
    assert read(path) == (record,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "is no record of a rating: it has no content"),
        ('{"content": {}}', "is no record of a rating: its schema is None, and this version reads 'greenai-rate-1'"),
        ('{"records": 7}', ": records is no list"),
        ("{", " cannot be read as JSON: "),
        (json.dumps({"content": content(id=7)}), "is no record of a rating: id missing or of another kind"),
        (json.dumps({"content": content(wh=-1)}), "is no record of a rating: wh_per_1000.value is -1"),
        (json.dumps({"content": content()}), "is no record of a rating: its hash or signature is missing"),
        (json.dumps({"content": content(wh=0, low=0, high=0)}), "wh_per_1000.value is 0, and no query takes nothing"),
        (json.dumps({"content": content(wh=1.0)}), "wh_per_1000 has 1.0 in an interval from 1.5 to 2.5"),
        (json.dumps({"content": content(low=2.5, high=1.5)}), "wh_per_1000 has 2.0 in an interval from 2.5 to 1.5"),
        (json.dumps({"content": content(low=None)}), "wh_per_1000 has 2.0 in an interval from None to 2.5"),
        (json.dumps({"content": content(wh=float("nan"))}), "wh_per_1000.value is nan"),
        (json.dumps({"content": content(wh=1e15, high=1e15)}), "wh_per_1000.value is 1000000000000000.0"),
        (json.dumps({"content": content(id="x\n# y")}), "its id is 'x\\n# y', not 32 digits of base 16"),
        (json.dumps({"content": content(id="\ud800" * 32)}), "its id is '" + "\\ud800" * 9),
        (json.dumps({"content": content(date="soon")}), "its date is 'soon', not such as 2026-11-22T02:40:19+00:00"),
        (json.dumps({"content": content(date="2026-11-22")}), "its date is '2026-11-22', not such as"),
    ],
)
def test_what_is_no_record_is_refused_with_the_reason(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(RecordError, match=re.escape(why)) as caught:
        read(tmp_path / "x.json")
    assert str(caught.value).endswith("Name a file that greenai rate wrote.")


def test_a_message_repeats_little_of_what_a_stranger_wrote(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"content": {"schema": "A" * 100_000}}))
    with pytest.raises(RecordError) as caught:
        read(tmp_path / "x.json")
    assert f"its schema is '{'A' * 58}…, and" in str(caught.value)


@pytest.mark.parametrize("depth", [*range(900, 1010, 3), 5000])
def test_a_record_that_is_nested_too_deeply_is_refused_in_words(depth: int, tmp_path: Path) -> None:
    """At any depth: the decoder and the encoder give up at different ones."""
    row = json.dumps(unsigned().to_dict())[:-1]
    (tmp_path / "x.json").write_text(f'{row}, "x": {"[" * depth}{"]" * depth}}}')
    try:
        merged(read(tmp_path / "x.json"))
    except RecordError as error:
        assert "recursion" in str(error)  # noqa: PT017  # some depths are read


# --- merging --------------------------------------------------------------------------------


def records() -> st.SearchStrategy[list[Record]]:
    """Few ids and figures, so that equal, differing and changed records of one id come up."""
    one = st.builds(
        lambda number, wh, broken: replace(unsigned(number, wh=wh), **({"sha256": "0" * 64} if broken else {})),
        st.integers(1, 4), st.sampled_from([1.6, 2.0, 2.4]), st.booleans(),
    )  # fmt: skip
    return st.lists(one, max_size=6)


@settings(deadline=None)
@given(records(), records(), records())
def test_merging_is_associative_commutative_and_idempotent(a: list[Record], b: list[Record], c: list[Record]) -> None:
    left = merged([*merged([*a, *b]).records, *c])
    assert left == merged([*a, *merged([*b, *c]).records])
    assert left == merged([*c, *b, *a])
    assert left == merged([*left.records, *a])


@settings(deadline=None)
@given(records())
def test_each_content_is_shown_or_kept_apart_and_no_id_is_shown_twice(given_: list[Record]) -> None:
    found = merged(given_)
    shown = [record.id for record in found.shown]
    assert len(shown) == len(set(shown))
    told = {(r.id, r.sha256, str(r.content)) for r in (*found.shown, *(a.record for a in found.apart))}
    assert told == {(r.id, r.sha256, str(r.content)) for r in given_}


def test_records_of_one_id_that_differ_are_kept_apart_and_copies_are_one(tmp_path: Path) -> None:
    mine, theirs = signed(tmp_path / "a", 1), signed(tmp_path / "b", 1, wh=2.1)
    other, plain = signed(tmp_path / "a", 2), unsigned(2)
    found = merged([mine, plain, theirs, other, mine])
    assert found.shown == (other,)
    assert {a.record.sha256 for a in found.apart} == {mine.sha256, theirs.sha256}
    assert {a.why for a in found.apart} == {"2 records with this id differ"}


def test_an_unsigned_record_does_not_push_out_a_signed_one_with_its_id(tmp_path: Path) -> None:
    """Anybody can make one; two that are signed are both kept apart, since nobody here knows whose is right."""
    mine, made_up, theirs = signed(tmp_path / "a", 1), unsigned(1, wh=1.6), signed(tmp_path / "b", 1, wh=2.4)
    found = merged([made_up, mine])
    assert found.shown == (mine,)
    assert [(a.record, a.why) for a in found.apart] == [(made_up, "not signed, and a signed record has its id")]
    assert merged([made_up, mine, theirs]).shown == ()


def test_merging_signed_records_is_associative_commutative_and_idempotent(tmp_path: Path) -> None:
    """Of two ids and two keys, with copies, altered ones, and a signature of other content."""
    pool = [signed(tmp_path / key, n, wh=wh) for key in "ab" for n in (1, 2) for wh in (1.6, 2.0)]
    pool += [unsigned(n, wh=wh) for n in (1, 2) for wh in (1.6, 2.4)]
    pool += [replace(pool[0], content=content(1, wh=2.4)), replace(unsigned(2), signature=pool[0].signature)]
    lists = st.lists(st.sampled_from(pool), max_size=5)

    @settings(deadline=None)
    @given(lists, lists, lists)
    def holds(a: list[Record], b: list[Record], c: list[Record]) -> None:
        left = merged([*merged([*a, *b]).records, *c])
        assert left == merged([*c, *merged([*b, *a]).records])
        assert left == merged([*left.records, *a])
        assert len({record.id for record in left.shown}) == len(left.shown)
        assert {r.sha256 for r in left.shown} | {a.record.sha256 for a in left.apart} == {
            r.sha256 for r in left.records
        }

    holds()


def test_a_changed_record_does_not_push_out_the_true_one(tmp_path: Path) -> None:
    true = signed(tmp_path)
    found = merged([replace(true, content=content(wh=0.1, low=0.1, high=0.1)), true])
    assert found.shown == (true,)
    assert [a.why for a in found.apart] == ["changed after it was written, or signed wrongly"]


def test_what_merging_wrote_is_read_and_merged_again() -> None:
    found = merged([unsigned(1), unsigned(1, wh=2.2), unsigned(2)])
    plain: dict[str, Any] = json.loads(json.dumps(found.to_dict()))
    assert merged(map(of_json, plain["records"])) == found
    assert len(plain["apart"]) == 2
