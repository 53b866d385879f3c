# The only door: `make ask` runs the main job on a fresh machine, `make test` runs every check that CI runs.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
HOSTS := "anthropic>=2" "google-genai>=3" "mistralai>=3"
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help ask test lint types imports docs unit openai3 openai-suite torch frameworks examples bench soak weights clean

help:  ## Show what there is
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(VENV)/.local: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --editable ".[local]"
	touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.local
	$(PIP) install --editable ".[dev]"
	touch $@

weights: $(VENV)/.local
	$(BIN)/greenai models pull smollm2-135m

ask: weights  ## Set up, then ask three questions: calculated, answered by the model, answered from the cache
	$(BIN)/python examples/three_receipts.py

test: $(VENV)/.dev weights lint types imports docs unit openai3 openai-suite  ## Set up, then run every check

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/pyright --pythonpath $(BIN)/python

imports: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.dev
	$(BIN)/zensical build --clean --strict

unit: $(VENV)/.dev weights
	$(BIN)/python -m pytest

# litellm needs openai 2 in the newest release that some indexes serve, so openai 3 is tested without it. So are the
# clients of other providers: beside litellm there is aiohttp, which google-genai then prefers.
openai3: $(VENV)-openai3/.ready weights
	$(VENV)-openai3/bin/python -m pytest -m "not needs_litellm" tests/test_side_by_side.py tests/test_client.py tests/test_surface.py tests/test_errors_parity.py \
		tests/wire/test_responses.py tests/wire/test_embeddings.py tests/wire/test_decisions.py \
		tests/wire/test_elsewhere.py \
		tests/wire/test_wrapped_anthropic.py tests/wire/test_genai_client.py tests/wire/test_mistral_client.py

$(VENV)-openai3/.ready: pyproject.toml $(VENV)/.dev
	test -x $(VENV)-openai3/bin/python || $(PYTHON) -m venv $(VENV)-openai3
	$(VENV)-openai3/bin/python -m pip --disable-pip-version-check --quiet install "openai>=3,<4" $(HOSTS) \
		diskcache numpy pint platformdirs pydantic pydantic-settings rich tenacity typer tzdata xllamacpp \
		hypothesis pytest pytest-examples pytest-randomly pytest-socket pytest-timeout
	$(VENV)-openai3/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --editable .
	touch $@

FRAMEWORKS := dspy instructor langchain llamaindex openai_agents pydantic_ai

# Every framework together in one environment. No part of `test`: its 0.9 GB take five minutes to install. instructor 1.17
# needs openai 2, and pydantic-ai from 2.32 on openai 3: told so at the start, pip need not try every release of each.
FRAMEWORKS_PINS := "litellm<1.106" "openai<3" "pydantic-ai-slim<2.32"

frameworks: $(VENV)-frameworks/.ready weights  ## Set up the frameworks' packages, and run their tests and pages
	$(VENV)-frameworks/bin/python -m pytest $(FRAMEWORKS:%=tests/integrations/test_%.py)
	$(VENV)-frameworks/bin/python -m pytest tests/test_docs.py -k hosts

$(VENV)-frameworks/.ready: pyproject.toml $(VENV)/.local
	test -x $(VENV)-frameworks/bin/python || $(PYTHON) -m venv $(VENV)-frameworks
	$(VENV)-frameworks/bin/python -m pip --disable-pip-version-check --quiet install --editable \
		".[dspy,instructor,langchain,llamaindex,local,openai-agents,pydantic-ai]" $(FRAMEWORKS_PINS) $(HOSTS) \
		hypothesis pytest pytest-examples pytest-randomly pytest-socket pytest-timeout
	touch $@

# What needs torch, in an environment of its own: it takes a gigabyte.
torch: $(VENV)-torch/.ready  ## Set up torch and transformers, and run the tests that need them
	$(VENV)-torch/bin/python -m pytest tests/local/test_torch_*.py

$(VENV)-torch/.ready: pyproject.toml
	test -x $(VENV)-torch/bin/python || $(PYTHON) -m venv $(VENV)-torch
	$(VENV)-torch/bin/python -m pip --disable-pip-version-check --quiet install "torch==2.13.0" "transformers>=5" accelerate \
		hypothesis pytest pytest-examples pytest-randomly pytest-socket pytest-timeout --editable .
	touch $@

# openai's own tests, from its source distribution: with greenai.Client in its client's place, and in wrap().
openai-suite: $(VENV)-openai-suite/.ready  ## Run the openai package's own tests against greenai
	$(VENV)-openai-suite/bin/python tests/hosts/openai_suite.py client wrap

OPENAI_SUITE := $(shell sed -n 's/^version = "\(.*\)"/\1/p' tests/hosts/openai_suite.toml)

$(VENV)-openai-suite/.ready: pyproject.toml tests/hosts/openai_suite.toml
	test -x $(VENV)-openai-suite/bin/python || $(PYTHON) -m venv $(VENV)-openai-suite
	$(VENV)-openai-suite/bin/python -m pip --disable-pip-version-check --quiet install \
		"openai[aiohttp,httpx2]==$(OPENAI_SUITE)" dirty-equals inline-snapshot nest-asyncio pytest pytest-asyncio respx time-machine \
		diskcache numpy pint platformdirs pydantic pydantic-settings rich tenacity typer tzdata
	$(VENV)-openai-suite/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --editable .
	touch $@

bench: $(VENV)/.dev weights  ## Print what greenai adds to a call, beside its peers
	$(BIN)/python benchmarks/overhead.py

soak: $(VENV)/.dev  ## Make 100,000 calls of the gateway, a tenth of them under CI, and fail where memory or descriptors grow
	$(BIN)/python benchmarks/gateway.py --soak $(if $(CI),10000,100000)

clean:  ## Remove the environments and what the builds left
	rm -rf $(VENV) $(VENV)-openai3 $(VENV)-openai-suite $(VENV)-torch $(VENV)-frameworks site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
