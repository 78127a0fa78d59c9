"""The papers' claims as experiments on the drawn world."""
