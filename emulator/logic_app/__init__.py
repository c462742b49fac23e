"""Logic Apps: Microsoft's workflow engine, and what calls it."""
