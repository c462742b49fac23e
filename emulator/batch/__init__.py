"""A stand-in for Azure Batch: its data plane over HTTPS, its scheduler on a simulated clock, its nodes as processes."""
