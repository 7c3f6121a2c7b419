# says: none of the six names
culprit = {"A": "Spacing"}
