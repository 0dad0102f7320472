"""The one training loop: phases, checks, best states, history."""
