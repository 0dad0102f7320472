"""The version, for files that say what wrote them."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
