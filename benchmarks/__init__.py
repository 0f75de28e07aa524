"""Measurements, as commands: ``python -m benchmarks.core``. Peers run in the same run, on the same server."""
