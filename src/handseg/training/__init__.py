"""Training: losses, recipes, the Lightning module, and the run."""
