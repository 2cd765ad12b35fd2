"""Adapters of the peers in Python; they run in an environment of their own, without this project's packages."""
