"""The Azure Batch engine: one Batch job a plan, one task a chunk, and a last task that merges."""
