"""Benchmarks and load tests. Needs the extra ``bench``."""
