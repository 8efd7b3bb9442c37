# The whole interface: two commands for everybody (book, test) and a few for maintainers.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PORT   ?= 8000

SHELL  := bash

# One line that counts instead of the several hundred that pip prints.
PACKAGES := $(shell grep -c '==' requirements.txt)
PROGRESS := awk '/^Collecting/ { if (++n % 10 == 0) { printf "\r  packages found: %d of $(PACKAGES) ", n; fflush() } } \
  /^Installing collected/ { printf "\n  installing ...\n"; fflush() }'

export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The checks of `make test`, the quick ones first; each is a target of its own.
CHECKS := lint format types doctests tests notebooks
PASSED := _build/passed

# Prints the name of the check, runs it, and notes in a file that it passed. SECONDS is bash's own.
check = @printf '\n== %s\n' $@; rm -f $(PASSED)/$@; \
  $(1) && mkdir -p $(PASSED) && echo "$$SECONDS s" > $(PASSED)/$@

.DEFAULT_GOAL := help
.PHONY: help book test serve tidy bench clean $(CHECKS)
# One check after the other, even under `make -j`: each uses all cores, and its output stays whole.
.NOTPARALLEL:

help: ## Show this list
	@echo "Latent Transfer: an executable book. Start with 'make book'."
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  The checks of 'make test' one by one: make $(CHECKS)"
	@echo "  PYTHON=python3.12 make book   picks the Python (3.10 to 3.13) of the environment"

book: $(STAMP) ## Execute every chapter and build the site into _build/html
	@$(BIN)/python tools/build_book.py

# All checks run even if an early one fails: whoever waits for the tests wants to know everything.
test: $(STAMP) ## Lint, types, unit and equation tests, every notebook, the book's own checks
	@rm -rf $(PASSED)
	@$(MAKE) --no-print-directory --keep-going $(CHECKS) || true
	@echo; failed=; for check in $(CHECKS); do \
	  if [ -f $(PASSED)/$$check ]; then printf '%-10s passed %8s\n' $$check "$$(cat $(PASSED)/$$check)"; \
	  else printf '%-10s FAILED\n' $$check; failed="$$failed $$check"; fi; done; \
	if [ -n "$$failed" ]; then echo "Failed:$$failed."; exit 1; fi; echo "Everything passed."

lint: $(STAMP)
	$(call check,$(BIN)/ruff check .)

format: $(STAMP)
	$(call check,$(BIN)/ruff format --check .)

types: $(STAMP)
	$(call check,$(BIN)/mypy)

doctests: $(STAMP)
	$(call check,$(BIN)/pytest -q --doctest-modules src/latent_transfer)

tests: $(STAMP)
	$(call check,$(BIN)/pytest -q -n auto --dist worksteal --durations=15 tests)

# The short pages of the appendix come last, so that no core waits long for the other.
notebooks: $(STAMP)
	$(call check,$(BIN)/pytest -q -n auto --dist loadfile --nbval-lax --nbval-current-env \
	  --nbval-cell-timeout 600 book/[!a]*/*.ipynb book/appendix/*.ipynb)

serve: ## Show the built book at http://127.0.0.1:8000 (PORT=... for another port)
	@test -f _build/html/index.html || { echo "Nothing is built yet: run 'make book' first."; exit 1; }
	@echo "The book is at http://127.0.0.1:$(PORT)/ (stop with Ctrl-C)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

tidy: $(STAMP) ## Put code and notebooks into the committed form
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .
	@$(BIN)/python tools/tidy.py
	@$(BIN)/python tools/api_pages.py

bench: $(STAMP) ## Measure the training speed beside other libraries (installs them first)
	@$(BIN)/python -m pip install --quiet --no-deps -r benchmarks/requirements.txt
	@$(BIN)/python benchmarks/training_speed.py
	@$(BIN)/python benchmarks/m2_speed.py
	@$(BIN)/python benchmarks/many_speed.py

clean: ## Remove what was built and cached (the environment stays)
	rm -rf _build build dist .mypy_cache .pytest_cache .ruff_cache
	find src tests tools benchmarks book -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The stamp keeps pip, and with it the network, out of every later call.
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; ok = (3, 10) <= v[:2] <= (3, 13); \
	  ok or sys.exit("Latent Transfer needs Python 3.10 to 3.13, and $(PYTHON) is %d.%d. " % v[:2] + \
	  "Name another one: make PYTHON=python3.12 $(or $(MAKECMDGOALS),book)")'
	@if [ -x $(BIN)/python ]; then echo "Updating the environment in $(VENV) ..."; \
	  else echo "Creating the environment in $(VENV) (once; a few minutes, needs the network) ..."; \
	  $(PYTHON) -m venv $(VENV); fi
	@set -o pipefail; $(BIN)/python -m pip install -r requirements.txt | $(PROGRESS)
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
	@echo "The environment is ready."
