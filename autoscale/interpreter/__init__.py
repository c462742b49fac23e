"""Azure Batch's formula language, evaluated."""
