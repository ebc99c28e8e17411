"""Training the networks: data, losses, recipes and runs. Importing its modules loads torch, but for `recipes`."""
