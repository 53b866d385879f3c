from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from greenai.local import Engines, EngineSettings
from greenai.local.names import revision_of
from greenai.local.profiles import Profile, Profiles
from greenai.local.tuned import Tuned, applied

LLAMA = Profile(
    device="Test CPU",
    model="",
    engine="llama",
    sequence_bin=256,
    precision="Q4_1",
    batch=6,
    threads=3,
    attention="off",
    cache="q8_0",
    energy_j_per_token=0.2,
    low=0.19,
    high=0.21,
    default_energy_j_per_token=0.3,
    measured="2026-11-22T10:00:00",
    more={"ubatch": 128},
)
TORCH = replace(
    LLAMA, engine="torch", precision="int8", attention="eager", cache="static", compile=True, window_ms=20.0, more={}
)


def test_llama_takes_all_that_a_profile_says() -> None:
    settings = applied(LLAMA, EngineSettings())
    assert settings == EngineSettings(slots=6, threads=3, flash=False, cache_type="q8_0", ubatch=128)


def test_what_the_user_gave_stays() -> None:
    settings = applied(LLAMA, EngineSettings(slots=2, threads=1), frozenset({"slots", "threads"}))
    assert (settings.slots, settings.threads) == (2, 1)


def test_torch_takes_precision_attention_cache_and_compilation() -> None:
    settings = applied(TORCH, EngineSettings(torch={"attention": "sdpa"}))
    assert settings.torch == {"precision": "int8", "attention": "sdpa", "cache": "static", "compile": True}
    assert (settings.slots, settings.threads, settings.window_s) == (6, 3, 0.02)


def test_attention_that_is_left_to_the_engine_stays_so() -> None:
    assert applied(replace(LLAMA, attention="auto"), EngineSettings()).flash is None


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.Q4_1.gguf"
    path.write_bytes(b"GGUF" + b"serve")
    return path


def tuned(tmp_path: Path, path: Path, profile: Profile = LLAMA, device: str = "Test CPU") -> Tuned:
    profiles = Profiles(tmp_path / "state")
    profiles.keep(replace(profile, model=revision_of(str(path)) or ""))
    return Tuned(profiles=profiles, device=lambda: (device, ""))


def test_the_profile_of_these_weights_on_this_machine_is_applied(tmp_path: Path, weights: Path) -> None:
    settings, profile = tuned(tmp_path, weights)(str(weights), weights, EngineSettings())
    assert settings.slots == 6
    assert profile is not None
    assert profile.batch == 6


def test_where_leaving_it_was_the_answer_nothing_changes(tmp_path: Path, weights: Path) -> None:
    found = tuned(tmp_path, weights, replace(LLAMA, leave=True))
    assert found(str(weights), weights, EngineSettings()) == (EngineSettings(), None)
    assert applied(replace(TORCH, leave=True), EngineSettings()) == EngineSettings()


def test_a_newer_profile_of_another_file_does_not_hide_that_of_this_one(tmp_path: Path, weights: Path) -> None:
    found = tuned(tmp_path, weights)
    found.profiles.keep(
        replace(LLAMA, model=revision_of(str(weights)) or "", precision="Q8_0", measured="2026-11-23T10:00:00")
    )
    settings, _ = found(str(weights), weights, EngineSettings())
    assert settings.slots == 6


def test_a_precision_whose_name_is_part_of_the_files_is_not_its_own(tmp_path: Path) -> None:
    path = tmp_path / "tiny.BF16.gguf"
    path.write_bytes(b"GGUF" + b"serve")
    found = tuned(tmp_path, path, replace(LLAMA, precision="F16"))
    assert found(str(path), path, EngineSettings()) == (EngineSettings(), None)


@pytest.mark.parametrize("why", ["other device", "other precision", "other engine", "other weights"])
def test_a_profile_of_something_else_is_not(tmp_path: Path, weights: Path, why: str) -> None:
    found = {
        "other device": lambda: tuned(tmp_path, weights, device="Another CPU"),
        "other precision": lambda: tuned(tmp_path, weights, replace(LLAMA, precision="Q8_0")),
        "other engine": lambda: tuned(tmp_path, weights, TORCH),
        "other weights": lambda: tuned(tmp_path, weights),
    }[why]()
    if why == "other weights":
        weights.write_bytes(b"GGUF" + b"serve, but longer")
    assert found(str(weights), weights, EngineSettings()) == (EngineSettings(), None)


def test_without_profiles_nobody_asks_for_the_device(tmp_path: Path, weights: Path) -> None:
    def device() -> tuple[str, str]:
        raise AssertionError("asked")

    settings, profile = Tuned(profiles=Profiles(tmp_path), device=device)(str(weights), weights, EngineSettings())
    assert (settings, profile) == (EngineSettings(), None)


def test_engines_start_a_model_as_its_profile_says_and_tell(tmp_path: Path, weights: Path, fake_llama: object) -> None:
    del fake_llama
    engines = Engines()
    engines.tuned = tuned(tmp_path, weights, replace(LLAMA, attention=None, cache=None))
    try:
        engine = engines.get(str(weights))
        assert engine.profile is not None
        assert engine.profile.batch == 6
    finally:
        engines.close()


def test_a_profile_that_the_engine_cannot_run_costs_nobody_the_answer(
    tmp_path: Path, weights: Path, fake_llama: object, caplog: pytest.LogCaptureFixture
) -> None:
    del fake_llama  # it knows no flash attention, like another version of llama.cpp than the one measured
    engines = Engines()
    engines.tuned = tuned(tmp_path, weights, replace(LLAMA, cache=None))
    try:
        engine = engines.get(str(weights))
        assert engine.alive()
        assert engine.profile is None
    finally:
        engines.close()
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"local/{weights} could not be started as its profile of 2026-11-22 says, so it runs as without one: "
    )
    assert record.getMessage().endswith(
        "Measure again with greenai tune, or delete the profile with greenai tune --forget."
    )
