.PHONY: check test bench

# ruff, mypy and the fast tests
check:
	bash scripts/check.sh

# the fast tests; all of them: bash scripts/test.sh --all
test:
	bash scripts/test.sh

# every benchmark, one after another
bench:
	bash scripts/bench.sh
