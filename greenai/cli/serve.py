"""`greenai serve`: an OpenAI-compatible gateway, so that whatever takes a base URL is served."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from greenai.cli.common import AsJson, Project, SettingsFile, print_json, reported, settings_of

__all__ = ["serve"]

ONLY_HERE = "No keys are configured, so only programs on this machine are served. Keys: the setting serve.keys."

Host = Annotated[
    str, typer.Option(help="The address to listen on. Others than this machine need keys in the settings.")
]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0 takes a free one.")]
Upstream = Annotated[
    str | None,
    typer.Option(help="An OpenAI-compatible server that takes the calls, in place of the providers."),
]


def serve(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    project: Project = None,
    upstream: Upstream = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Serve OpenAI's API through greenai: chat completions, responses, embeddings, models, and a live page.

    Point any client's base URL at it: `export OPENAI_BASE_URL=http://127.0.0.1:8080/v1`.
    """
    with reported(as_json=as_json):
        from greenai import serve as gateway

        loaded = settings_of(settings)
        made = gateway.app(settings=loaded, project=project, upstream=upstream)
        from greenai.serve import server

        def told(address: str) -> None:
            if as_json:
                print_json({"url": f"{address}/v1", "page": f"{address}/", "keys": len(loaded.serve.keys)})
            else:
                typer.echo(f"greenai serves OpenAI's API at {address}/v1")
                typer.echo(f"The live page: {address}/   To end: Ctrl+C")
                if not loaded.serve.keys:
                    typer.echo(ONLY_HERE)
            sys.stdout.flush()  # who started this one waits for these lines

        server.run(made, loaded.serve, host=host, port=port, told=told)
