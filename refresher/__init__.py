"""Keeps a Claude login fresh while it lives, and is loud before it ends."""
