"""Azure Machine Learning, emulated: a workspace's jobs and clusters at work, at Azure Resource Manager's address."""
