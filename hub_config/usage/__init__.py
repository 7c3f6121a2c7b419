"""Quotas, records of use, and the audit of what staff did for whom and why."""
