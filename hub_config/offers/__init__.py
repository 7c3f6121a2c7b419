"""What is on offer: images and course modules."""
