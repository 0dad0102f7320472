"""Bounds and losses."""
