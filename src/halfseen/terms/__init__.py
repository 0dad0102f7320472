"""Addends of a log-weight: prior, proposal, observation, mechanism."""
