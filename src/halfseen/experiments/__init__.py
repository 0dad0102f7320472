"""The papers' tables as data, and the runner that repeats them."""
