"""The students' networks: two bridges, and the walls around them."""
