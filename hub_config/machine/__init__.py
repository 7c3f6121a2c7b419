"""What changes the machine: engine, images, services, firewall."""
