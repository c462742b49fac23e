"""Engines: where tasks run. Each takes a plan and ends when all its parts are there, or raises why they can't be."""
