"""The scikit-learn facade over models."""
