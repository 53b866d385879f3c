from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from greenai import Client
from greenai.errors import MissingExtra, SettingsError
from greenai.settings import load_settings
from greenai.store.disk import JsonCache
from greenai.store.opening import open_store
from greenai.store.redis import RedisCache

SECRET = "a secret of the fleet"


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ("256MB", 256_000_000),
        ("1.5 GB", 1_500_000_000),
        ("2 MiB", 2 * 1024**2),
        (5e6, 5_000_000),
        ("7000kb", 7_000_000),
    ],
)
def test_sizes_are_read_with_their_units(size: Any, count: int) -> None:
    assert load_settings({"cache_size": size}).cache_bytes == count


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"cache_size": "lots"},
            (
                'argument: cache_size = "lots" is not valid: it must be a number and a unit, such as "256MB". '
                'Write for example: cache_size = "1GB" (units: kB, MB, GB, KiB, MiB, GiB).'
            ),
        ),
        (
            {"cache_size": "3 kib"},
            (
                'argument: cache_size = "3 kib" is not valid: it must be between 1 MB and 1000 TB. '
                'Write for example: cache_size = "1GB" (units: kB, MB, GB, KiB, MiB, GiB).'
            ),
        ),
        (
            {"cache_url": "http://user:hunter2@host"},
            (
                "argument: cache_url is not valid: it must be the address of a Redis or Valkey: redis://, "
                'rediss://, unix:// or valkey://, and after it the server, for example "redis://127.0.0.1:6379/0".'
            ),
        ),
        (
            {"cache_secret_env": "hunter 2"},
            (
                "argument: cache_secret_env is not valid: it must be the name of a variable, for example "
                '"OPENAI_API_KEY"; the key itself is never set here. '
                'Write for example: cache_secret_env = "CACHE_SECRET".'
            ),
        ),
    ],
)
def test_a_wrong_setting_is_named_and_no_password_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(given)
    assert str(caught.value) == said.replace('. Write for example: cache_secret_env = "CACHE_SECRET".', ".")


def test_the_store_is_on_disk_unless_there_is_an_address(tmp_path: Path) -> None:
    on_disk = open_store(load_settings({"state_dir": tmp_path, "cache_size": "2MB"}))
    assert isinstance(on_disk, JsonCache)
    assert on_disk.put("key", 1, 60.0)
    told = on_disk.stats()
    assert (told.kind, told.place, told.count, told.limit_bytes) == ("disk", str(tmp_path / "cache"), 1, 2_000_000)
    assert (tmp_path / "cache.key").stat().st_mode & 0o777 == 0o600

    settings = load_settings({"state_dir": tmp_path, "cache_url": "redis://user:hunter2@127.0.0.1:1/0"})
    assert "hunter2" not in repr(settings)
    store = open_store(settings)
    assert isinstance(store, RedisCache)
    assert store.stats().place == "Redis at 127.0.0.1:1"


def test_a_secret_of_the_fleet_is_taken_from_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings({"state_dir": tmp_path, "cache_secret_env": "CACHE_SECRET"})
    store = open_store(settings, {"CACHE_SECRET": SECRET})
    assert store.put("key", 1, 60.0)
    store.close()
    assert not (tmp_path / "cache.key").exists()
    assert open_store(settings, {"CACHE_SECRET": SECRET}).get("key") == 1
    assert open_store(settings, {"CACHE_SECRET": SECRET + "?"}).get("key") is None

    how = (
        'Set it on every machine that shares the cache, with one value of: python -c "import secrets; '
        'print(secrets.token_hex())"'
    )
    with pytest.raises(SettingsError) as caught:
        open_store(settings, {})
    assert str(caught.value) == (
        f"cache_secret_env: the variable CACHE_SECRET, which holds the secret of the cache, is not set. {how}"
    )
    monkeypatch.setenv("CACHE_SECRET", "short")
    with pytest.raises(SettingsError) as caught:
        Client(settings=settings)
    assert str(caught.value) == (
        "cache_secret_env: the variable CACHE_SECRET, which holds the secret of the cache, has 5 bytes, and 16 are "
        f"the least. {how}"
    )


def test_a_redis_without_a_secret_serves_this_machine_and_one_without_a_folder_this_process(tmp_path: Path) -> None:
    address = {"cache_url": "redis://127.0.0.1:1/0"}
    settings = load_settings({"state_dir": tmp_path / "state", **address})
    one, two = open_store(settings), open_store(settings)
    assert isinstance(one, RedisCache)
    assert isinstance(two, RedisCache)
    assert one._prefix == two._prefix
    (tmp_path / "file").touch()
    nowhere = load_settings({"state_dir": tmp_path / "file", **address})
    other = open_store(nowhere)
    assert isinstance(other, RedisCache)
    assert other._prefix != one._prefix


@pytest.mark.parametrize(
    ("given", "package", "said"),
    [
        (
            {"cache_url": "redis://127.0.0.1:1/0"},
            "redis",
            (
                "A cache in Redis or Valkey (cache_url) needs the package redis, which is not installed. "
                'Install it with: pip install "greenai[redis]"'
            ),
        ),
        (
            {"cache_encrypt": True},
            "cryptography",
            (
                "Encryption of the cache (cache_encrypt) needs the package cryptography, which is not installed. "
                'Install it with: pip install "greenai[encrypt]"'
            ),
        ),
    ],
)
def test_what_is_not_installed_is_named_when_the_client_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], package: str, said: str
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra) as caught:
        Client(settings={"state_dir": tmp_path, **given})
    assert str(caught.value) == said
