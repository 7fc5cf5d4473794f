"""Tables people can trust: entries with provenance, paired statistics, a page of results."""
