"""How many nodes a pool has: its formula, the sizes and prices of GPUs, and what a job will take. Pure Python."""
