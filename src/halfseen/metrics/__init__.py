"""Scores of completions: functions of truth, answer and mask."""
