"""Thin gRPC client for packshot."""
