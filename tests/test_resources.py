"""What a client opens: where work runs, what the app says of its own servers, which requests it remembers."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

import pytest

from greenai import Client, catalog
from greenai.errors import SettingsError
from greenai.meters import Deployment, ModelCard, estimate
from greenai.resources import Recent
from greenai.testing import FakeProvider, offline

# --- where work runs ----------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"zone": "XYZ"}, {"provider_zones": {"openai": "US-XY"}}], ids=["zone", "provider"])
def test_a_grid_that_nobody_knows_is_an_error_when_the_client_is_made(given: dict[str, Any]) -> None:
    with (
        pytest.raises(SettingsError, match=r"^zone='(XYZ|US-XY)' is not one of \d+ known grids\."),
        Client(settings=given),
    ):
        pass


def test_providers_grids_reach_the_receipt() -> None:
    settings = {"provider_zones": {"openai": "us-va"}, "ladder": ["openai/gpt-5.5"]}
    with offline(FakeProvider(default="Hello."), settings=settings) as client:
        receipt = client.ask("Greet my friend Ada with one kind sentence.").greenai
    assert receipt.carbon_source.startswith("Virginia, United States grid mix, 2023: ")


def test_live_intensity_needs_its_token_when_the_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELECTRICITY_MAPS_TOKEN", raising=False)
    with pytest.raises(SettingsError, match="needs a token in the variable ELECTRICITY_MAPS_TOKEN"):
        Client(settings={"carbon_source": "electricity-maps", "zone": "FRA"})


# --- what the app says of its own server ---------------------------------------------------

SERVER = {"gpu": "H100", "gpus": 2, "batch": 32, "engine": "vllm-0.11", "bytes_per_weight": 2}


@pytest.fixture
def catalog_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let own cards be of this test only."""
    monkeypatch.setattr(catalog, "_own", MappingProxyType({}))


@pytest.mark.usefixtures("catalog_alone")
def test_a_server_of_ones_own_is_a_known_deployment() -> None:
    card = {"name": "hosted_vllm/acme/thirty", "total_params_b": 30, "deployment": SERVER}
    with offline(settings={"cards": [card], "ladder": ["hosted_vllm/acme/thirty"]}) as client:
        response = client.chat.completions.create(messages=[{"role": "user", "content": "Greet Ada."}])
        energy = response.greenai.energy
    assert energy.evidence == "modelled_known_deployment"
    said = estimate(
        ModelCard(total_params_b=30, provider="hosted_vllm"),
        input_tokens=response.greenai.attempts[0].usage.input_tokens,
        output_tokens=response.greenai.attempts[0].usage.output_tokens,
        deployment=Deployment(**SERVER),
    )
    assert energy.gpu_energy_j == pytest.approx(said.gpu_energy_j)


@pytest.mark.usefixtures("catalog_alone")
def test_a_server_with_a_gpu_that_nobody_knows_is_an_error_at_once() -> None:
    card = {"name": "hosted_vllm/acme/forty", "total_params_b": 40, "deployment": {"gpu": "P100"}}
    with pytest.raises(SettingsError) as caught:
        offline(settings={"cards": [card]})
    assert str(caught.value) == (
        "argument: cards: the deployment of hosted_vllm/acme/forty: gpu='P100' has no coefficients. Use one of H100, H200, B200, "
        "A100, A100-80GB, L40S, L4, A40, V100, MI300X, or leave gpu out: the API view's mix of GPUs is then taken."
    )


# --- what is remembered -------------------------------------------------------------------


def test_a_large_content_is_not_copied_to_be_measured() -> None:
    class Huge(dict[str, Any]):
        def __str__(self) -> str:
            raise AssertionError("copied")

        __repr__ = __str__

    with offline() as client:
        messages = [{"role": "user", "content": [Huge(type="image_url")]}]
        Recent().add(client._session.request("create", messages, "gpt-5.5", stream=False, arguments={}))


def test_a_model_stays_as_its_own_table_says_else_as_the_whole_one() -> None:
    models = {"a": {"keep_warm": True}, "b": {"run_at": "0 2 * * *"}, "c": {"keep_alive": "auto"}}
    local = {"keep_alive": "10m", "run_at": "*/15 * * * *", "models": models}
    with Client(settings={"local": local}, api_key="sk-none") as client:
        parker = client._session.resources.engines.parker
        assert parker is not None
        assert client.local_models() == ()
        named = {name: parker.parking.keeping(name).name for name in "abcd"}
        kept = {name: parker.parking.keeping(name).keep_s for name in "abcd"}
    assert named == {
        "a": "keep_alive forever", "b": "run_at 0 2 * * *", "c": "the rule", "d": "run_at */15 * * * *",
    }  # fmt: skip
    assert kept == {"a": math.inf, "b": 600.0, "c": None, "d": 600.0}
