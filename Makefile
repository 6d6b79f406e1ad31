.PHONY: setup lint test ci example

setup:  ## everything a contributor needs, in the active environment
	pip install -e ".[dev]"

lint:
	ruff format --check .
	ruff check .
	mypy

test:
	pytest -n 2

ci:  ## what CI runs
	bash .ci/run

example:  ## render the example picture anew
	cd examples && python render_hand.py hand.jpg --mask hand_mask.png
