"""Looking at GPUs: what NVML says, what it refuses, and when."""

from __future__ import annotations

from pathlib import Path

import pytest
from cards import LOST, NO_PERMISSION, NOT_SUPPORTED, Cards, Time

from greenai.gpus import sampler, synthetic
from greenai.gpus.synthetic import Board, Job, Spell
from greenai.gpus.values import GpusError, Trace
from greenai.meters import nvml

JOBS = (
    Job(pid=4711, gpus=(0,), memory_gib=20, spells=[Spell(2, 6, 50.0)]),
    Job(pid=5000, gpus=(0, 1), memory_gib=10, spells=[Spell(4, 8, 30.0)]),
)


def fleet(**failures: int) -> Cards:
    made = synthetic.trace([Board(), Board()], JOBS, seconds=10)
    return Cards(made, Time(made.began), failures={name.replace("_", " "): code for name, code in failures.items()})


def watched(cards: Cards, seconds: float = 10, **more: object) -> Trace:
    made = sampler.opened(1.0, api=cards)
    made.clock, made.wall, made.wait = cards.time.clock, cards.time.wall, cards.time.wait
    for name, value in more.items():
        setattr(made, name, value)
    return made.watch(seconds)


def test_it_sees_what_the_cards_did(tmp_path: Path) -> None:
    cards = fleet()
    found = watched(cards, proc=tmp_path)
    assert [one.at_s for one in found.rounds] == [float(n) for n in range(11)]
    assert found.unread() == {}
    assert [(c.index, c.name, c.uuid, c.divided) for c in found.cards] == [
        (0, "Made-up GPU", "GPU-0", False),
        (1, "Made-up GPU", "GPU-1", False),
    ]
    look = found.rounds[5].looks[0]
    assert (look.busy_percent, look.watts, look.memory_bytes) == (80.0, 500.0, 30 << 30)
    assert {p.pid: (p.sm_percent, p.held) for p in look.processes or ()} == {4711: (50.0, True), 5000: (30.0, True)}
    assert [one.looks[0].counter_mj for one in found.rounds] == [r.looks[0].counter_mj for r in cards.trace.rounds]


def test_what_the_driver_makes_late_goes_on_for_a_while_and_not_for_ever(tmp_path: Path) -> None:
    made = synthetic.trace([Board()], [Job(pid=7, spells=[Spell(0, 10, 40.0)])], seconds=10)
    cards = Cards(made, Time(made.began))

    class Late(Cards):
        def nvmlDeviceGetProcessUtilization(self, index: int, since_us: int) -> list[object]:  # noqa: N802
            if self.time.now_s > 3:
                raise self.NVMLError("Not Found", 6)
            return super().nvmlDeviceGetProcessUtilization(index, since_us)

    cards.__class__ = Late
    found = watched(cards, proc=tmp_path)
    shown = [{p.pid: p.sm_percent for p in one.looks[0].processes or ()} for one in found.rounds]
    assert shown[3:7] == [{7: 40.0}, {7: 40.0}, {7: 0.0}, {7: 0.0}]


@pytest.mark.parametrize(
    ("name", "code", "field", "what"),
    [
        ("rates", NOT_SUPPORTED, "busy_percent", "utilisation"),
        ("power", NOT_SUPPORTED, "watts", "power"),
        ("counter", NOT_SUPPORTED, "counter_mj", "energy counter"),
        ("memory", LOST, "memory_bytes", "memory"),
        ("processes", NO_PERMISSION, "processes", "processes"),
    ],
)
def test_what_cannot_be_read_is_none_and_told(name: str, code: int, field: str, what: str, tmp_path: Path) -> None:
    found = watched(fleet(**{name: code}), proc=tmp_path)
    assert all(getattr(look, field) is None for one in found.rounds for look in one.looks.values())
    assert set(found.unread()[what]) == {0, 1}


def test_a_right_that_is_missing_is_told_with_what_to_do(tmp_path: Path) -> None:
    found = watched(fleet(by_process=NO_PERMISSION), proc=tmp_path)
    look = found.rounds[5].looks[0]
    assert look.problems == {
        "utilisation by process": "Insufficient Permissions: run this as root, or let users read it "
        "(nvidia-smi -acp 0; NVreg_RestrictProfilingToAdminUsers=0)"
    }
    assert [p.sm_percent for p in look.processes or ()] == [None, None]


def test_a_divided_gpu_has_no_utilisation_by_process(tmp_path: Path) -> None:
    cards = fleet()
    cards.divided = {1}
    found = watched(cards, proc=tmp_path)
    assert [card.divided for card in found.cards] == [False, True]
    assert found.unread() == {
        "utilisation by process": {1: "multi-instance GPU is on: NVML has no figure for one instance"}
    }
    assert [p.sm_percent for p in found.rounds[5].looks[1].processes or ()] == [None]


def test_an_older_package_lacks_calls(tmp_path: Path) -> None:
    cards = fleet()
    cards.missing = {"nvmlDeviceGetProcessUtilization", "nvmlDeviceGetSamples"}
    found = watched(cards, proc=tmp_path)
    assert {what: by[0] for what, by in found.unread().items()} == {
        "utilisation between two looks": "this version of nvidia-ml-py has no such call",
        "utilisation by process": "this version of nvidia-ml-py has no such call",
    }
    assert found.rounds[5].looks[0].busy_percent == 80.0


def test_engines_are_told_once_their_model_is_in_memory(tmp_path: Path) -> None:
    cards, engines = fleet(), dict[int, str]()

    def asked() -> dict[int, str]:
        return {4711: "local/qwen3-8b"} if cards.time.now_s > 4 else engines

    found = watched(cards, proc=tmp_path, engines=asked)
    assert found.known[4711].model == "local/qwen3-8b"
    assert found.known[5000].model is None


def test_the_name_of_a_program_and_not_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "4711").mkdir()
    (tmp_path / "4711" / "comm").write_text("python\x1b[31m\n")
    found = watched(fleet(), proc=tmp_path)
    assert found.known[4711].name == "python[31m"
    assert (found.known[5000].name, found.known[5000].is_here) == (None, False)


def test_ctrl_c_ends_it_with_what_was_seen(tmp_path: Path) -> None:
    cards = fleet()
    cards.time.stops_at_s = 4.0
    assert len(watched(cards, proc=tmp_path).rounds) == 4
    cards = fleet()
    cards.time.stops_at_s = 1.0
    with pytest.raises(KeyboardInterrupt):
        watched(cards, proc=tmp_path)


def test_a_machine_that_slept_misses_looks_and_makes_none_up(tmp_path: Path) -> None:
    cards = fleet()
    slept = [5.5]

    def wait(seconds: float) -> None:
        cards.time.wait(seconds + (slept.pop() if slept and cards.time.now_s >= 2 else 0.0))

    found = watched(cards, proc=tmp_path, wait=wait)
    assert [one.at_s for one in found.rounds] == [0.0, 1.0, 2.0, 8.5, 9.0, 10.0]
    assert found.gaps() == 1


def test_where_there_is_no_gpu_it_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = "A recording of another machine can be read here: greenai gpus --replay FILE.jsonl"
    cards = fleet()
    cards.trace = synthetic.trace([], [], seconds=2)
    with pytest.raises(GpusError) as caught:
        watched(cards)
    assert str(caught.value) == (
        "No GPU can be watched here: the driver knows of no GPU. To change that: in a container, pass them in with "
        f"--gpus all. {replay}"
    )
    monkeypatch.setattr(nvml, "_api", lambda pid: (None, "the package nvidia-ml-py is not installed"))
    with pytest.raises(GpusError) as caught:
        sampler.opened(1.0)
    assert str(caught.value) == (
        "No GPU can be watched here: the package nvidia-ml-py is not installed. To change that: "
        f'pip install "greenai[nvidia]". {replay}'
    )


def test_a_step_that_is_too_short_is_refused() -> None:
    with pytest.raises(GpusError) as caught:
        sampler.opened(0.1, api=fleet())
    assert str(caught.value) == (
        "--every 0.1s is shorter than 0.2 s, in which NVML's figures do not change. Use --every 0.2s or more."
    )
