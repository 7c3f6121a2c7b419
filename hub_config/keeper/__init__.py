"""The one root process: it watches the walls, and keeps ledger and Docker in agreement."""
