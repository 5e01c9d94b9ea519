"""What the families of networks are built from."""
