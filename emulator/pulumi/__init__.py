"""Pulumi's real engine, and the provider that it talks to."""
