"""Figures of this server, measured from outside by processes of their own. Run: make bench."""
