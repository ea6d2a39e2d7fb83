# Each target works as the only command: what it needs is made first, in virtual environments here.
.PHONY: demo test check test-all bench docs man original clean
.DELETE_ON_ERROR:

BIN := .venv/bin
VENV := .venv/.installed
VERSIONS := 3.11 3.12 3.13
PIP := bin/pip install -qq --disable-pip-version-check

demo: $(VENV)
	$(BIN)/python examples/demo_session.py

test: $(VENV)
	$(BIN)/python -m pytest

check: $(VENV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit/test_layers.py

# Each version that is there, with plain asyncio and with uvloop where a test leaves it open.
test-all:
	@for v in $(VERSIONS); do if .ci/find-python $$v >/dev/null 2>&1; then $(MAKE) test-$$v || exit 1; else echo "no Python $$v here: skipped"; fi; done

test-%: .venv-%/.installed
	.venv-$*/bin/python -m pytest -q
	.venv-$*/bin/python -m pytest -q --loop uvloop

bench: $(VENV) original
	$(BIN)/python -m benchmarks

docs: .venv-docs/.installed
	.venv-docs/bin/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo docs/_build/html/index.html

man: $(VENV)
	$(BIN)/python -m pytest -q tests/cli/test_man.py
	@if command -v mandoc >/dev/null; then mandoc -T lint -W warning man/*.[0-9]; else echo "no mandoc here: not linted"; fi

# The first Python implementation, which is also called proxyables: kept apart from ours.
original: .venv-original/.installed

$(VENV): pyproject.toml
	python=$$(.ci/find-python 3.11+) && $$python -m venv --clear .venv
	.venv/$(PIP) -e '.[dev]' && touch $@

.venv-docs/.installed: pyproject.toml docs/requirements.txt
	python=$$(.ci/find-python 3.11+) && $$python -m venv --clear .venv-docs
	.venv-docs/$(PIP) -r docs/requirements.txt -e . && touch $@

.venv-original/.installed:
	python=$$(.ci/find-python 3.12+) && $$python -m venv --clear .venv-original
	.venv-original/$(PIP) stateforward-proxyables==0.1.0 uvloop && touch $@

.venv-%/.installed: pyproject.toml
	python=$$(.ci/find-python $*) && $$python -m venv --clear .venv-$*
	.venv-$*/$(PIP) -e '.[dev]' && touch $@

clean:
	rm -rf .venv .venv-* build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis
