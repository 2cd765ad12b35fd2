"""What keeps the tables in order: due jobs made ready, lost leases rescued, old days dropped."""
