"""What was seen as lines of a file, one look each, written as they come: a crash loses the last of them.

    {"greenai_gpus": 1, "began": ..., "every_s": 1.0, "cards": [{"i": 0, "name": ..., "memory_mib": ...}]}
    {"p": 4711, "name": "python", "model": "local/smollm2-135m"}          once, when a process is first seen
    {"t": 1.002, "g": [[0, 63, 214300, 8123456, 41230, [[4711, 40960, 63]]]]}
    {"why": {"energy counter": {"0": "Not Supported"}}}                   once, when something cannot be read

A GPU's look is its index, utilisation in percent, power in mW, counter in mJ, memory in MiB, and its processes: number,
MiB, SM utilisation in percent, and a fourth figure, 0, for one that has ended. What is not known is null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from greenai.gpus.values import GpuFacts, GpuLook, GpuProcess, GpusError, Known, Round, Trace

__all__ = ["Recorder", "read", "write"]

VERSION = 1
MIB = 1 << 20
MOST = 2**53
MOST_S = 2.5e11


# --- writing --------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Recorder:
    """Writes looks to a file as they come. It never writes over another recording.

    Raises:
        GpusError: the file is there already, or cannot be written.
    """

    path: Path
    _file: IO[str] | None = None
    _rounds: int = 0
    _named: dict[int, Known] = field(default_factory=dict)
    _told: dict[str, set[int]] = field(default_factory=dict)

    def __call__(self, trace: Trace) -> None:
        """Write what is new of a trace that grows."""
        lines = [] if self._file else [_head(trace)]
        for one in trace.rounds[self._rounds :]:
            pids = {p.pid for look in one.looks.values() for p in look.processes or ()}
            fresh = {p: k for p in sorted(pids) if (k := trace.known.get(p)) is not None and self._named.get(p) != k}
            lines += [_known(one) for one in fresh.values()]
            self._named |= fresh
            lines += self._problems(one)
            lines.append({"t": round(one.at_s, 3), "g": [_look(index, look) for index, look in one.looks.items()]})
        self._rounds = len(trace.rounds)
        self._write(lines)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _problems(self, one: Round) -> list[dict[str, Any]]:
        fresh: dict[str, dict[str, str]] = {}
        for index, look in one.looks.items():
            for what, why in look.problems.items():
                if index not in self._told.setdefault(what, set()):
                    self._told[what].add(index)
                    fresh.setdefault(what, {})[str(index)] = why
        return [{"why": fresh}] if fresh else []

    def _write(self, lines: list[dict[str, Any]]) -> None:
        try:
            if self._file is None:
                self._file = self.path.open("x", encoding="utf-8")
            self._file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
            self._file.flush()
        except FileExistsError:
            raise GpusError(f"--record: {self.path} is there already. Choose another file, or move it away.") from None
        except OSError as error:
            raise GpusError(
                f"--record: {self.path} cannot be written: {error.strerror}. Choose another file."
            ) from None


def write(trace: Trace, path: Path) -> None:
    """Write a whole trace.

    Raises:
        GpusError: the file is there already, or cannot be written.
    """
    recorder = Recorder(path)
    recorder(trace)
    recorder.close()


def _head(trace: Trace) -> dict[str, Any]:
    cards = [
        {"i": c.index, "uuid": c.uuid, "name": c.name, "memory_mib": _mib(c.memory_bytes), "divided": c.divided}
        for c in trace.cards
    ]
    more = ({"synthetic": True} if trace.synthetic else {}) | ({"machine": trace.machine} if trace.machine else {})
    return {"greenai_gpus": VERSION, **more, "began": trace.began, "every_s": trace.every_s, "cards": cards}


def _known(one: Known) -> dict[str, Any]:
    told: dict[str, Any] = {"p": one.pid}
    told |= {name: found for name, found in (("name", one.name), ("model", one.model)) if found is not None}
    return told if one.is_here else told | {"here": False}


def _look(index: int, look: GpuLook) -> list[Any]:
    processes = look.processes
    listed = None if processes is None else [_process(one) for one in processes]
    milliwatts = None if look.watts is None else round(look.watts * 1e3)
    return [index, _short(look.busy_percent), milliwatts, look.counter_mj, _mib(look.memory_bytes), listed]


def _process(one: GpuProcess) -> list[Any]:
    told = [one.pid, _mib(one.memory_bytes), _short(one.sm_percent)]
    return told if one.held else [*told, 0]


def _short(percent: float | None) -> float | None:
    return None if percent is None else int(percent) if percent == int(percent) else round(percent, 1)


def _mib(count: int | None) -> int | None:
    return None if count is None else round(count / MIB)


# --- reading --------------------------------------------------------------------------------


def read(path: Path) -> Trace:
    """Return what a file has. A last line that was cut off is left out and told.

    Raises:
        GpusError: it cannot be read, or is no such file.
    """
    try:
        lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise GpusError(f"--replay: {path} cannot be read: {error.strerror}. Name a file of --record.") from None
    head = _parsed(lines[0]) if lines else None
    if head is None or head.get("greenai_gpus") != VERSION:
        version = None if head is None else head.get("greenai_gpus")
        if version is not None:
            raise GpusError(f"--replay: {path} has version {version} of recordings, and this greenai reads {VERSION}.")
        raise GpusError(f"--replay: {path} is no recording of greenai gpus. Make one with: greenai gpus --record FILE")
    rounds: list[Round] = []
    known: dict[int, Known] = {}
    why: dict[int, dict[str, str]] = {}
    bad = [number for number, line in enumerate(lines[1:], 2) if not _taken(line, rounds, known, why)]
    try:
        return Trace(
            began=float(_positive(head["began"], MOST_S)),
            every_s=float(_positive(head["every_s"], MOST_S)),
            cards=tuple(_card(one) for one in head["cards"]),
            rounds=rounds,
            known=known,
            machine=head.get("machine"),
            synthetic=bool(head.get("synthetic")),
            problems=_problems(path, bad, len(lines)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GpusError(f"--replay: the first line of {path} is damaged: {error!r}. Record it anew.") from None


def _problems(path: Path, bad: list[int], count: int) -> tuple[str, ...]:
    if not bad:
        return ()
    if bad == [count]:
        return (f"The last line of {path.name} (line {count}) was cut off and is left out.",)
    named = ", ".join(str(number) for number in bad[:5])
    return (f"{len(bad)} lines of {path.name} cannot be read and are left out: {named}{', ...' * (len(bad) > 5)}.",)


def _taken(line: str, rounds: list[Round], known: dict[int, Known], why: dict[int, dict[str, str]]) -> bool:
    """Take one line in; return whether it could be read."""
    row = _parsed(line)
    if row is None:
        return not line.strip()
    try:
        if "greenai_gpus" in row:
            raise GpusError("--replay: the file has two recordings, one after the other. Give each a file of its own.")
        if "t" in row:
            at_s = float(_positive(row["t"], MOST_S))
            if rounds and at_s <= rounds[-1].at_s:
                return False
            looks = {int(one[0]): _read_look(one, why.get(int(one[0]), {})) for one in row["g"]}
            rounds.append(Round(at_s=at_s, looks=looks))
        elif "p" in row:
            pid = int(row["p"])
            told = Known(pid=pid, name=row.get("name"), model=row.get("model"), is_here=row.get("here", True))
            known[pid] = told
        elif "why" in row:
            _read_why(row["why"], why)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return False
    return True


def _read_why(told: Mapping[str, Mapping[str, str]], why: dict[int, dict[str, str]]) -> None:
    for what, by_gpu in told.items():
        for index, text in by_gpu.items():
            why.setdefault(int(index), {})[what] = str(text)


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line, parse_constant=_no_number)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number that was seen")


def _card(row: Mapping[str, Any]) -> GpuFacts:
    return GpuFacts(
        index=int(row["i"]),
        uuid=row.get("uuid"),
        name=str(row["name"]),
        memory_bytes=_bytes(row.get("memory_mib")),
        divided=bool(row.get("divided")),
    )


def _read_look(row: list[Any], problems: Mapping[str, str]) -> GpuLook:
    _, busy, milliwatts, counter_mj, memory, processes = row
    listed = None if processes is None else tuple(_read_process(one) for one in processes)
    return GpuLook(
        busy_percent=None if busy is None else _percent(busy),
        watts=None if milliwatts is None else _positive(milliwatts) / 1e3,
        counter_mj=None if counter_mj is None else int(_positive(counter_mj)),
        memory_bytes=_bytes(memory),
        processes=listed,
        problems=dict(problems),
    )


def _read_process(row: list[Any]) -> GpuProcess:
    pid, memory, used = row[:3]
    sm_percent = None if used is None else _percent(used)
    return GpuProcess(pid=int(pid), memory_bytes=_bytes(memory), sm_percent=sm_percent, held=len(row) < 4)


def _percent(found: float) -> float:
    if not 0 <= found <= 100:
        raise ValueError(f"{found} is no percentage")
    return float(found)


def _positive(found: float, most: float = MOST) -> float:
    if not 0 <= found < most:
        raise ValueError(f"{found} is none of NVML's figures")
    return found


def _bytes(mib: float | None) -> int | None:
    return None if mib is None else int(_positive(mib) * MIB)
