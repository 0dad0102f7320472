"""Public checks for estimators of incomplete data."""
