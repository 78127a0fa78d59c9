"""Alembic's migrations of projects and jobs."""
