"""`greenai digest`: a project's last week beside its own weeks before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from greenai.cli.common import AsJson, SettingsFile, console, print_json, reported, settings_of
from greenai.cli.completion import complete_project
from greenai.cli.report import known, nothing
from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from greenai.report.digest import Digest
    from greenai.settings import Settings

__all__ = ["digest"]

Project = Annotated[
    str | None,
    typer.Option("--project", help="Whose calls; by default those of every project.", autocompletion=complete_project),
]
Weeks = Annotated[int, typer.Option(help="How many weeks before the last one it is compared with.", min=1, max=52)]
Ranking = Annotated[
    bool,
    typer.Option("--ranking", help="Put the projects beside each other too, where nudges.team_ranking is switched on."),
]


def digest(
    *,
    project: Project = None,
    weeks: Weeks = 4,
    ranking: Ranking = False,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what the last seven days took, beside the project's own weeks before."""
    with reported(as_json=as_json):
        loaded = settings_of(settings)
        if ranking and not loaded.nudges.team_ranking:
            raise InvalidRequest(
                "Projects are put beside each other only where the organisation switched that on: "
                "nudges = { team_ranking = true }"
            )
        found = _digest(loaded, project, weeks, ranking=ranking)
        if found is None or not any(week.amounts.calls for week in (found.week, *found.before)):
            known(loaded, project)
        if found is None:
            nothing(loaded, None, as_json=as_json)
        elif as_json:
            print_json(found.to_dict())
        else:
            _print(found)


def _digest(settings: Settings, project: str | None, weeks: int, *, ranking: bool) -> Digest | None:
    from greenai.report.digest import digest as read
    from greenai.store.reading import reading

    with reading(settings.ledger_path) as reader:
        return None if reader is None else read(reader, project, weeks=weeks, ranking=ranking)


def _print(found: Digest) -> None:
    from greenai.report.digest import lines
    from greenai.report.words import clean
    from greenai.units import format_energy

    screen = console()
    whose = "every project" if found.project is None else f"the project {clean(found.project)}"
    screen.print(f"The last seven days of {whose}:", soft_wrap=True, markup=False)
    for line in lines(found):
        screen.print(f"  {clean(line)}", soft_wrap=True, markup=False)
    for place, one in enumerate(found.ranking or (), start=1):
        mean = "unknown" if one.energy_per_call_j is None else format_energy(one.energy_per_call_j)
        screen.print(f"  {place}. {clean(one.project)}: {mean} a call", soft_wrap=True, markup=False)
