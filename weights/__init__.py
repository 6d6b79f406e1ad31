"""Makes the files in src/handseg/weights from public inputs: `python -m weights --list`. See README.md."""
