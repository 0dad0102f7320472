"""Columns, units, batches, noise, draws: what every room above stands on."""
