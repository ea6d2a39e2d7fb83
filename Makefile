# Each target works as the only command: what it needs is made first, in virtual environments here.
.PHONY: demo test check test-all bench bench-startup bench-keys docs screenshots man original interop-tools fuzz soak clean
.DELETE_ON_ERROR:
.PRECIOUS: .venv-%/.installed

BIN := .venv/bin
VENV := .venv/.installed
VERSIONS := 3.11 3.12 3.13
# One process of tests for each processor.
SPREAD := -n auto
PIP := bin/pip install -qq --disable-pip-version-check

demo: $(VENV)
	$(BIN)/python examples/demo_session.py

test: $(VENV)
	$(BIN)/python -m pytest $(SPREAD)

check: $(VENV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit/test_layers.py

# Each version that is there, with plain asyncio, and with uvloop where a test leaves it open: those of
# the command and the REPL run programs, which choose for themselves.
test-all:
	@for v in $(VERSIONS); do if .ci/find-python $$v >/dev/null 2>&1; then $(MAKE) test-$$v || exit 1; else echo "no Python $$v here: skipped"; fi; done

test-%: .venv-%/.installed
	.venv-$*/bin/python -m pytest -q $(SPREAD)
	.venv-$*/bin/python -m pytest -q $(SPREAD) --loop uvloop tests/unit tests/property tests/e2e tests/scenarios tests/attacks tests/interop

# As long as a night has: 2,000 scripts of calls and faults, a million calls of every kind.
soak: $(VENV)
	PROXYABLES_FAULTS=2000 PROXYABLES_SOAK=1000000 $(BIN)/python -m pytest -q tests/property/test_faults.py tests/e2e/test_soak.py

bench: .venv/.bench original
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.idle

bench-startup: $(VENV)
	$(BIN)/python -m benchmarks.startup

# How long a key takes to be drawn while the server takes half a second to answer.
bench-keys: $(VENV)
	$(BIN)/python -m benchmarks.keys

docs: .venv-docs/.installed
	.venv-docs/bin/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo docs/_build/html/index.html

screenshots: $(VENV)
	PYTHONPATH=tests $(BIN)/python docs/screenshots.py docs/images

# Atheris has wheels for some versions of Python only, so it has an environment of its own.
FUZZ_SECONDS := 20
FUZZ := PYTHONPATH=tests .venv-fuzz/bin/python -m

fuzz: .venv-fuzz/.installed
	@if [ -s .venv-fuzz/missing ]; then cat .venv-fuzz/missing; else set -e; for what in session decoders; do $(FUZZ) fuzz.fuzz_$$what -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=2048 -verbosity=0; echo "fuzz_$$what: nothing found in $(FUZZ_SECONDS) s"; done; fi

man: $(VENV)
	$(BIN)/python man/generate.py
	$(BIN)/python -m pytest -q tests/cli/test_man.py
	@if command -v mandoc >/dev/null; then mandoc -T lint -W warning man/*.[0-9]; else echo "no mandoc here: not linted"; fi

# The first Python implementation, which is also called proxyables: kept apart from ours.
original: .venv-original/.installed

# The other ends of the live Yamux tests: hashicorp/yamux (Go), and yamux-js for Node.
interop-tools: .interop/.installed

$(VENV): pyproject.toml
	python=$$(.ci/find-python 3.11+) && $$python -m venv --clear .venv
	.venv/$(PIP) -e '.[dev]' && touch $@

# What only the benchmark compares with: in the same environment, so that all run on one Python.
.venv/.bench: $(VENV)
	.venv/$(PIP) -e '.[bench]' && touch $@

.venv-docs/.installed: pyproject.toml docs/requirements.txt
	python=$$(.ci/find-python 3.11+) && $$python -m venv --clear .venv-docs
	.venv-docs/$(PIP) -r docs/requirements.txt -e . && touch $@

.interop/.installed: tests/interop/yamux_tools.sh $(wildcard tests/interop/yamux_peer_*/*) | $(VENV)
	tests/interop/yamux_tools.sh .interop $(BIN)/python && touch $@

.venv-fuzz/.installed: pyproject.toml
	python=$$(.ci/find-python 3.11 || .ci/find-python 3.11+) && $$python -m venv --clear .venv-fuzz
	.venv-fuzz/$(PIP) -e '.[fuzz]' || echo "not fuzzed: atheris cannot be installed for $$(.venv-fuzz/bin/python -V); tests/property/test_mutations.py looks less far" >.venv-fuzz/missing
	touch $@

.venv-original/.installed:
	python=$$(.ci/find-python 3.12+) && $$python -m venv --clear .venv-original
	.venv-original/$(PIP) stateforward-proxyables==0.1.0 uvloop && touch $@

.venv-%/.installed: pyproject.toml
	python=$$(.ci/find-python $*) && $$python -m venv --clear .venv-$*
	.venv-$*/$(PIP) -e '.[dev]' && touch $@

clean:
	rm -rf .venv .venv-* .interop build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis
