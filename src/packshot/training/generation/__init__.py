"""Training of the product-image generator."""
