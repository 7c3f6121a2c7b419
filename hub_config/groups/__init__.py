"""Class groups: who learns and teaches together, and what a group may do."""
