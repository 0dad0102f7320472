"""Small networks with an axis of members, and input layers for incomplete rows."""
