"""Locust load tests. Needs the extra ``loadtest``."""
