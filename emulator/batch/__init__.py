"""Azure Batch, emulated: its data plane over HTTPS, its scheduler on a simulated clock, its nodes as processes."""
