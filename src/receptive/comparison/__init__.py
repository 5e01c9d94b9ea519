"""Two studies beside each other: what is the same in both, what moved by rounding or chance, and what differs."""
