"""Courses as they are taught: what is published for whom, and how far students have come."""
