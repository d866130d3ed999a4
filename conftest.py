"""Loads nothing by itself: ksem's plugin comes with the installed package (`make` puts it into .venv)."""
