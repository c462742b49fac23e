"""Azure Resource Manager: requests, schemas, names, and what Azure refuses."""
