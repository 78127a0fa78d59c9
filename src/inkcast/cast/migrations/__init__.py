"""The history of the cast library's tables."""
