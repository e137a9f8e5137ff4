"""Peers: other servers, with the same network, photos and load, side by side with packshot."""
