"""Roles: who may do what."""
