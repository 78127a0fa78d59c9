# Every target sets itself up in .venv; `make demo` and `make test` need nothing but Python >= 3.11 and a network (or a pip cache).
PYTHON := .venv/bin/python
WORKERS ?= 2

.PHONY: help demo test check format bench soak docs wheel clean

help:
	@echo "make demo    draw the example comic into out/demo"
	@echo "make test    the whole test suite"
	@echo "make check   ruff, mypy, import-linter, documentation in step with the code"
	@echo "make format  ruff's formatter and fixes"
	@echo "make bench   time a comic, and every engine beside plain diffusers"
	@echo "make soak    the tests that run long: comics over and over, hundreds of pages, killed runs"
	@echo "make docs    write docs/cli.md from the help texts"
	@echo "make wheel   build the wheel, install it into a clean environment, draw the demo there"

demo:
	@scripts/setup plain
	@scripts/demo

test:
	@scripts/setup dev
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n $(WORKERS) $(PYTEST)

check:
	@scripts/setup dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports
	$(PYTHON) scripts/help_pages.py --check

format:
	@scripts/setup dev
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

bench:
	@scripts/setup plain
	@$(PYTHON) -m inkcast bench

soak:
	@scripts/setup dev
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -m soak $(PYTEST)

docs:
	@scripts/setup dev
	$(PYTHON) scripts/help_pages.py

wheel:
	@scripts/setup dev
	@scripts/check-wheel

clean:
	rm -rf build dist out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
