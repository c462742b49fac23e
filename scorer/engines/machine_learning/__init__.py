"""The Azure Machine Learning engine: some workers a job, each a command job of one node, that share its chunks by claims."""
