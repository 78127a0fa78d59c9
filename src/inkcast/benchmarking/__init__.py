"""How long, how much and how often: a comic here, and every engine beside the plain base."""
