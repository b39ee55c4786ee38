"""What is measured of the machine and the container."""
