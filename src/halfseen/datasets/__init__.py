"""Small tables that ship with the package, loaders and generators with exact answers."""
