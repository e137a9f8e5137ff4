"""Measuring the networks: agreement with people, answers to faults, false alarms."""
