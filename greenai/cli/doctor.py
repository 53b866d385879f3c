"""`greenai doctor`: what was found on this machine, what will be measured, what is missing and how to get it."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from greenai import __version__, catalog, grants, meters, opt_ins
from greenai.cli.common import AsJson, SettingsFile, console, print_json, reported, settings_of
from greenai.errors import UnknownModel
from greenai.meters import carbon
from greenai.store.listing import NO_PLACE
from greenai.units import format_bytes, significant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from greenai.settings import Settings
    from greenai.values import Rung

_KEYS = {
    "OPENAI_API_KEY": "openai",
    "ANTHROPIC_API_KEY": "anthropic",
    "GEMINI_API_KEY": "gemini",
    "MISTRAL_API_KEY": "mistral",
    "DEEPSEEK_API_KEY": "deepseek",
    "XAI_API_KEY": "xai",
}
_PROBE = {"from": "greenai doctor"}
_EXTRAS = {
    "local": ("xllamacpp", "language models on this machine"),
    "nvidia": ("pynvml", "energy of NVIDIA GPUs"),
    "audit": ("duckdb", "audits of logs"),
    "ray": ("ray", "batches on a Ray cluster"),
    "vllm": ("vllm", "batches on vLLM, on GPUs of one's own"),
    **({"apple": ("zeus_apple_silicon", "energy of Apple silicon")} if sys.platform == "darwin" else {}),
}


_SENSOR_EXTRAS = {"nvml": "nvidia", "apple": "apple"}


def doctor(*, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Say what was found, which readings will be measured and which modelled, and how to get what is missing."""
    with reported(as_json=as_json):
        loaded = settings_of(settings)
        _check_carbon(loaded)
        found = _examine(loaded)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if not (found["ledger"]["ok"] and found["budgets"]["ok"]) or not (
        found["cache"]["ok"] or found["cache"]["place"] == NO_PLACE
    ):
        raise typer.Exit(1)


def _check_carbon(settings: Settings) -> None:
    """Refuse what a `Client` would refuse of zones and of the source of carbon figures.

    Raises:
        SettingsError: a grid is unknown, or the source cannot serve.
    """
    from greenai.meters import live

    for code in (settings.zone, *settings.provider_zones.values()):
        carbon.zone(code)
    live.opened(
        settings.carbon_source, settings.zone, settings.provider_zones, env=os.environ, state_dir=settings.state_dir
    )


def _examine(settings: Settings) -> dict[str, Any]:
    return {
        "version": __version__,
        "python": platform.python_version(),
        "catalog": {"version": catalog.VERSION, "models": len(catalog.cards())},
        "settings": _settings(settings),
        "rungs": [{"model": rung.model, "missing": _lacks(rung, settings)} for rung in settings.rungs()],
        "keys": {name: bool(os.environ.get(name)) for name in _KEYS},
        "extras": {extra: find_spec(module) is not None for extra, (module, _) in _EXTRAS.items()},
        "weights": _weights(settings),
        "unloading": list(_unloading(settings)),
        "profiles": _profiles(settings),
        "sensors": [_sensor(sensor) for sensor in meters.available()],
        "processor": _processor(settings),
        "ledger": _ledger(settings),
        "cache": _cache(settings),
        "budgets": _budgets(settings),
        "feedback": _feedback(settings),
        "distilled": list(_distilled(settings)),
    }


def _settings(settings: Settings) -> dict[str, Any]:
    return {
        "project": settings.project,
        "ladder": [rung.model for rung in settings.rungs()],
        "quality": settings.quality,
        "zone": settings.zone,
        "provider_zones": settings.provider_zones,
        "carbon_source": settings.carbon_source,
        "opt_in": sorted(opt_ins.Policies(settings).holding(settings.project)),
        "opt_ins_over": list(_over(settings)),
        "observe": settings.observe,
        "state_dir": None if settings.state_dir is None else str(settings.state_dir),
    }


def _over(settings: Settings) -> Iterator[str]:
    """Yield in words which opt-ins of the settings are over, the whole's and each project's own."""
    policies, now, projects = opt_ins.Policies(settings), time.time(), (settings.project, *settings.projects)
    said = (grants.ended((g for g in policies.of(p).grants if not g.holds(now)), p) for p in projects)
    yield from filter(None, dict.fromkeys(said))


def _lacks(rung: Rung, settings: Settings) -> str | None:
    """Return what keeps this rung from answering, with the command that brings it; None where nothing is known to."""
    if rung.provider == "local":
        from greenai.local import weights
        from greenai.local.process import needs

        path = weights.path_of(rung.name, settings.weights_dir)
        extra, packages = needs(path)
        if any(find_spec(package) is None for package in packages):
            return f'no engine: pip install "greenai[{extra}]"'
        return None if path is not None else f"no weights: greenai models pull {rung.name}"
    variable = next((name for name, provider in _KEYS.items() if provider == rung.provider), None)
    if rung.base_url is None and variable is not None and not os.environ.get(variable):
        return f"no key: export {variable}=..."
    if catalog.find(rung.model) is not None:
        return None
    return f"not in the catalog, so its energy stays unknown. {catalog.remedy_for(rung.model)}"


def _sensor(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a meter says of itself; where a package is missing, the extra is the one way to get it."""
    sensor = dict(found)
    extra = _SENSOR_EXTRAS.get(sensor["name"])
    if not sensor["usable"] and extra in _EXTRAS and find_spec(_EXTRAS[extra][0]) is None:
        sensor["how"] = f'pip install "greenai[{extra}]"'
    return sensor


def _weights(settings: Settings) -> list[dict[str, Any]]:
    from greenai.local import weights

    here = weights.installed(settings.weights_dir)
    return [{"name": f"local/{w.name}", "path": str(w.path), "bytes": w.size_bytes} for w in here]


def _unloading(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield when models are unloaded: what holds for all, then what the settings say of single ones."""
    local = settings.local
    yield {"model": None, "keep_alive": "auto" if local.kept is None else local.kept, "run_at": local.run_at}
    for name, own in local.models.items():
        lacks = _lacks_weights(name, settings)
        yield {"model": f"local/{name}", "keep_alive": own.kept, "run_at": own.run_at, "missing": lacks}


def _lacks_weights(name: str, settings: Settings) -> str | None:
    from greenai.local.names import path_of

    try:
        path = path_of(name, settings.weights_dir)
    except UnknownModel as error:
        meant = f". Did you mean {error.suggestions[0]}?" if error.suggestions else ""
        return f"no model has that name{meant}"
    return None if path is not None else f"no weights: greenai models pull {name}"


def _profiles(settings: Settings) -> dict[str, Any]:
    """Say what `greenai tune` found here, and which of that holds for this machine as it is now."""
    from greenai.local.profiles import Profiles

    kept, here = Profiles(settings.state_dir), meters.device()
    held = [
        {"name": p.name, "tokens": p.sequence_bin, "batch": p.batch, "precision": p.precision, "measured": p.measured,
         "used": (p.device, p.driver) == here, "leave": p.leave}
        for p in kept.all()
    ]  # fmt: skip
    return {"held": held, "problems": list(kept.problems)}


def _distilled(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield the task models that the settings register, and whether each can be read."""
    from greenai.errors import GreenAIError

    for table in settings.distilled:
        told = {"file": str(table.file), "mode": table.mode, "name": None, "version": None, "problem": None}
        try:
            from greenai.answerers.distilled import read

            model = read(Path(table.file).expanduser())
        except GreenAIError as error:
            yield {**told, "problem": str(error)}
        else:
            yield {**told, "name": model.name, "version": model.version, "kind": model.kind}


def _processor(settings: Settings) -> dict[str, Any]:
    from greenai.local.cpus import usable_cores
    from greenai.meters import watts

    figure = watts.here(settings.watts_per_core)
    return {"name": watts.model_name(), "usable_cores": usable_cores(), "watts_per_core": dataclasses.asdict(figure)}


def _ledger(settings: Settings) -> dict[str, Any]:
    from greenai.ledger import open_ledger

    ledger = open_ledger(settings)
    try:
        return ledger.check()
    finally:
        ledger.close()


def _cache(settings: Settings) -> dict[str, Any]:
    """Say where the answers are and how many, having read and written one of its own."""
    from greenai.store.opening import open_store

    store = open_store(settings)
    try:
        key = f"doctor:{os.urandom(8).hex()}"
        store.put(key, _PROBE, 60.0)
        is_kept = store.get(key) == _PROBE
        store.forget(key)
        full = store.stats()
        answers = sum(1 for row in store.rows() if ":" not in row.key)
    finally:
        store.close()
    why = (
        store.problem
        or store.undone
        or ("this machine has no folder for it; set GREENAI_STATE_DIR" if full.place == NO_PLACE else None)
    )
    return {
        "mode": settings.cache,
        "kind": full.kind,
        "place": full.place,
        "answers": answers,
        "size_bytes": full.size_bytes,
        "ok": is_kept,
        "problem": None if is_kept else why or "what was written did not come back",
    }


def _budgets(settings: Settings) -> dict[str, Any]:
    """Say which budgets there are, where they are counted, and whether that can be reached."""
    from greenai import spending
    from greenai.budget import open_ledger
    from greenai.errors import LedgerError
    from greenai.places import Site
    from greenai.settings import projects
    from greenai.spending import charges

    caps = spending.caps(settings)
    found: dict[str, Any] = {"budgets": {scope: [cap.budget.text for cap in each] for scope, each in caps.items()}}
    if not caps:
        return {**found, "place": None, "ok": True, "problem": None}
    site = Site(zone=settings.zone, provider_zones=settings.provider_zones)
    projects.refuse_below(settings, *charges.least(settings.rungs(), site))
    ledger, problem = open_ledger(spending.address(settings)), None
    try:
        ledger.unsettled()
    except LedgerError as error:
        problem = str(error)
    finally:
        ledger.close()
    return {**found, "place": spending.place(settings), "ok": problem is None, "problem": problem}


def _feedback(settings: Settings) -> list[dict[str, object]]:
    from greenai.feedback import summary
    from greenai.ledger import open_ledger
    from greenai.route import FLOORS

    ledger = open_ledger(settings)
    try:
        return summary(settings.project, ledger, FLOORS)
    finally:
        ledger.close()


# --- for people -----------------------------------------------------------------------------


def _print(found: Mapping[str, Any]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for label, text in _rows(found):
        table.add_row(Text(label), Text(text))
    console().print(table)


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    catalogue, chosen = found["catalog"], found["settings"]
    yield "greenai", f"{found['version']}, Python {found['python']}"
    yield "catalog", f"{catalogue['models']} models ({catalogue['version']})"
    yield "ladder", "\n".join(f"{r['model']}: {r['missing'] or 'can answer'}" for r in found["rungs"])
    yield "project", f"{chosen['project']}, quality {chosen['quality']}"
    yield "opt-ins", "\n".join(_opt_in_lines(chosen))
    yield "carbon", "\n".join(_carbon_lines(chosen))
    yield "state", chosen["state_dir"] or "in memory: this machine has no folder for it; set GREENAI_STATE_DIR"
    yield "ledger", _ledger_line(found["ledger"])
    yield "cache", _cache_line(found["cache"])
    yield "budgets", _budgets_line(found["budgets"])
    yield "feedback", "\n".join(map(_feedback_line, found["feedback"])) or "none yet; see client.feedback(r, good=...)"
    if found["distilled"]:
        yield "task models", "\n".join(map(_distilled_line, found["distilled"]))
    yield "keys", _keys_line(found["keys"])
    yield "local models", _weights_line(found)
    yield "unloading", "\n".join(_unloading_line(one) for one in found["unloading"])
    yield "profiles", "\n".join(_profile_lines(found["profiles"]))
    yield "processor", _processor_line(found["processor"])
    yield "readings", "\n".join(_readings(found["sensors"]))
    yield "not installed", "\n".join(_missing(found["extras"])) or "nothing"


def _opt_in_lines(chosen: Mapping[str, Any]) -> Iterator[str]:
    if chosen["opt_in"] or not chosen["opt_ins_over"]:
        yield ", ".join(chosen["opt_in"]) or f"none in the settings for {chosen['project']}"
    for over in chosen["opt_ins_over"]:
        yield f"warning: {over}. Set a later opt_in_expires, or take opt_in out."


def _carbon_lines(chosen: Mapping[str, Any]) -> Iterator[str]:
    source = chosen["carbon_source"]
    kind = "static: yearly means" if source == "static" else f"{source}: live, else the yearly mean"
    yield f"zone {_grid(chosen['zone'])}; {kind}"
    for provider, zone in chosen["provider_zones"].items():
        yield f"{provider} in {_grid(zone)}"


def _grid(code: str) -> str:
    found = carbon.zone(code)
    return f"{found.code} ({found.name})"


def _ledger_line(ledger: Mapping[str, Any]) -> str:
    if not ledger["ok"]:
        return f"cannot be used: {ledger['problem']}"
    counts = ", ".join(f"{ledger[key]} {key}" for key in ("calls", "attempts", "holds"))
    return f"{ledger['path']}: {counts}"


def _cache_line(cache: Mapping[str, Any]) -> str:
    if not cache["ok"]:
        return f"cannot be used: {cache['problem']}"
    count = f"{cache['answers']} answer" + ("" if cache["answers"] == 1 else "s")
    off = "; off, by the setting cache" if cache["mode"] == "off" else ""
    return f"{cache['place']} ({cache['kind']}): {count}, {format_bytes(cache['size_bytes'])}, read and written{off}"


def _budgets_line(budgets: Mapping[str, Any]) -> str:
    if not budgets["budgets"]:
        return "none: nothing is limited; see greenai budget"
    each = "; ".join(f"{scope} {', '.join(texts)}" for scope, texts in budgets["budgets"].items())
    state = "reached" if budgets["ok"] else f"cannot be reached: {budgets['problem']}"
    return f"{each}\ncounted in {budgets['place']}: {state}"


def _feedback_line(told: Mapping[str, Any]) -> str:
    use = "thresholds are corrected" if told["corrected"] else "too few of both kinds to correct thresholds"
    line = f"{told['classifier']}: {told['labels']} answers labelled, {told['bad']} bad; {use}"
    return f"{line}\n{told['drift']}" if told["drift"] else line


def _distilled_line(one: Mapping[str, Any]) -> str:
    if one["problem"] is not None:
        return f"{one['file']}: does not answer: {one['problem']}"
    return f"{one['file']}: {one['name']}, version {one['version']}, {one['mode']}"


def _keys_line(keys: Mapping[str, bool]) -> str:
    here = [name for name, found in keys.items() if found]
    if here:
        return ", ".join(here)
    return f"none; for a provider set its variable, for example: export {next(iter(keys))}=..."


def _weights_line(found: Mapping[str, Any]) -> str:
    here = found["weights"]
    if not here:
        return "none; to get one: greenai models pull smollm2-135m"
    return "\n".join(f"{w['name']}, {format_bytes(w['bytes'])}" for w in here)


def _unloading_line(one: Mapping[str, Any]) -> str:
    said = ", ".join(f"{name} {one[name]}" for name in ("keep_alive", "run_at") if one[name] is not None)
    if one["model"] is None:
        return said
    return f"{one['model']}: {'; '.join(filter(None, (said or 'as all others', one['missing'])))}"


def _profile_lines(profiles: Mapping[str, Any]) -> Iterator[str]:
    yield from profiles["problems"]
    for p in profiles["held"]:
        use = "used" if p["used"] else "of another device or driver, not used"
        use = "which is as it runs without tuning" if p["used"] and p["leave"] else use
        batch = f"batch {p['batch']}, {p['precision']}"
        yield f"{p['name']}, to {p['tokens']} tokens: {batch}, measured {p['measured'][:10]}; {use}"
    if not profiles["held"] and not profiles["problems"]:
        yield "none; to measure what takes the least energy here: greenai tune local/smollm2-135m"


def _processor_line(processor: Mapping[str, Any]) -> str:
    watts = processor["watts_per_core"]
    low, value, high = (significant(watts[key], 2) for key in ("low", "value", "high"))
    name = processor["name"] or "its name is not told"
    cores = f"{processor['usable_cores']} usable cores"
    return f"{name}, {cores}; {value} W per core ({low} to {high}), {watts['name']}: {watts['source']}"


def _readings(sensors: list[dict[str, Any]]) -> Iterator[str]:
    for sensor in sensors:
        if sensor["usable"]:
            yield f"{sensor['name']}: usable"
        else:
            how = f" {sensor['how']}" if sensor.get("how") else ""
            yield f"{sensor['name']}: not usable, {sensor['why_not']}.{how}"
    yield "remote models: modelled from tokens and model size, unless the provider reports energy"


def _missing(extras: Mapping[str, bool]) -> Iterator[str]:
    for extra, here in extras.items():
        if not here:
            yield f'{_EXTRAS[extra][1]}: pip install "greenai[{extra}]"'
