# make demo   the whole way from collisions to report, in an environment of its own
# make test   all tests, in the same environment
# make coverage   all tests, with the lines and branches that they run, by file and in htmlcov/index.html
# make venv   the environment alone
# make lint   ruff and mypy
# make lock   writes requirements.lock anew, after a change of the dependencies

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .venv/tools/bin/uv
BIN := .venv/bin
DESIGN ?= models/anomaly.yaml
RUNS ?= runs
XDIST ?= $(shell $(BIN)/python -c 'from l1trigger.cores import cores; print(cores())')

.PHONY: demo test coverage venv lint lock

demo: venv
	@$(BIN)/l1trigger run $(DESIGN) --runs $(RUNS)

test: venv
	@$(BIN)/pytest -n $(XDIST)

coverage: venv
	@$(BIN)/pytest -n $(XDIST) --cov --cov-report=term --cov-report=html

venv: .venv/ready

lint: venv
	@$(BIN)/ruff check .
	@$(BIN)/mypy

lock: $(UV)
	@$(UV) pip compile pyproject.toml --extra gen --extra calo --extra onnx --extra farm --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --quiet -o requirements.lock

# A file that marks a finished installation; nothing is installed again until the lock changes.
.venv/ready: requirements.lock pyproject.toml | $(UV)
	@command -v g++ >/dev/null || { echo "l1trigger needs the C++ compiler g++; install it, e.g. with: apt-get install g++"; exit 2; }
	@echo "installing the locked packages into .venv"
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable .
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "l1trigger needs Python 3.11 to 3.13; name one with: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --target .venv/tools uv==$(UV_VERSION)
