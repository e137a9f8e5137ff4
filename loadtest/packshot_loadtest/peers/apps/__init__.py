"""The peers' servers, each a program for an environment of its own."""
