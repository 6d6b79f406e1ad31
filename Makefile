.PHONY: setup lint test docs docs-outputs ci example

setup:  ## everything a contributor needs, in the active environment
	pip install -e ".[dev,docs]"

lint:
	ruff format --check .
	ruff check .
	mypy

test:
	pytest -n 2

docs:  ## the site, in site/; stops at a link that leads nowhere
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

docs-outputs:  ## write what the docs' blocks print, and their pictures, anew
	python -m tests.docs

ci:  ## what CI runs
	bash .ci/run

example:  ## render the example picture anew
	cd examples && python render_hand.py hand.jpg --mask hand_mask.png
